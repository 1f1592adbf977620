/**
 * The two kinds of failure a person meets. The command line turns them into one line on stderr and an exit code:
 * InputError (bad usage or input, 2) and every other XComposerError (failure, 1). Typed subclasses carry the data.
 */

/** A failure with a message made for people: one line that names the thing, expected and got, and what to do. */
export class XComposerError extends Error {
  /** Process exit code of a command that ends with this error. */
  readonly exitCode: 1 | 2 = 1
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** Bad usage or bad input: a wrong option, a broken or hostile file, a value out of range. */
export class InputError extends XComposerError {
  override readonly exitCode = 2
}
