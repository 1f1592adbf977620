/**
 * The kinds of failure that a user meets. The command line turns them into one line on stderr and an exit code: InputError (bad usage
 * or input, 2) and every other XComposerError (failure, 1). `code` is for programs to switch on; typed subclasses carry the data.
 */

/**
 * What went wrong, for programs:
 * - `invalid_request`: an option, message or file that is not as it should be; `invalid_image`: an image that cannot be used;
 *   `context_length_exceeded`: a prompt that does not fit the model
 * - `disposed`: the model, or a sequence of it, was disposed; `aborted`: the reader ended the answer
 * - `failed`: anything else
 */
export type ErrorCode = 'invalid_request' | 'invalid_image' | 'context_length_exceeded' | 'disposed' | 'aborted' | 'failed'

export interface XComposerErrorOptions extends ErrorOptions {
  readonly code?: ErrorCode
}

/** A failure with a message made for people: one line that names the thing, expected and got, and what to do. */
export class XComposerError extends Error {
  /** Process exit code of a command that ends with this error. */
  readonly exitCode: 1 | 2 = 1
  readonly code: ErrorCode
  constructor(message: string, { code = 'failed', ...options }: XComposerErrorOptions = {}) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** Bad usage or bad input: a wrong option, a broken or hostile file, a value out of range. */
export class InputError extends XComposerError {
  override readonly exitCode = 2
  constructor(message: string, options: XComposerErrorOptions = {}) {
    super(message, { code: 'invalid_request', ...options })
  }
}

/** Something was used after its `dispose`, or disposed while it was used. */
export class DisposedError extends XComposerError {
  /** @param what e.g. `model nano` */
  constructor(readonly what: string) {
    super(`${what}: was disposed; it cannot be used any more`, { code: 'disposed' })
  }
}

/** An answer whose reader left before its end. */
export class AbortedError extends XComposerError {
  constructor(message: string) {
    super(message, { code: 'aborted' })
  }
}
