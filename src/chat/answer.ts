/** An answer on its way: pieces of text for whoever reads along, and the result for whoever waits. It knows nothing of models. */
import type { AbortCheck } from '../common/abort.js'
import { AbortedError } from '../common/errors.js'
import type { ChatResult } from './result.js'

type Outcome = { readonly result: ChatResult } | { readonly error: unknown }

/**
 * Pieces of text as an async iterable, and `result`. Either is enough: the answer begins when it is first read or its result is asked for,
 * is made as fast as it is read, and to its end once the result is asked for. Leaving the loop ends the answer; `result` then
 * rejects with an AbortedError. Errors come where they are waited for, and nowhere else.
 *
 * @example
 * const answer = chat(model, [{ role: 'user', content: 'What is the capital of Kenya?' }])
 * for await (const piece of answer) process.stdout.write(piece)
 * const { usage } = await answer.result
 */
export class ChatAnswer implements AsyncDisposable {
  private readonly settled: Promise<ChatResult>
  private settle: { resolve(result: ChatResult): void; reject(error: unknown): void } | undefined
  private readonly pieces: string[] = []
  private steps: AsyncGenerator<string, ChatResult, void> | undefined
  private pulling: Promise<void> | undefined
  private outcome: Outcome | undefined
  private ended: AbortedError | undefined

  /**
   * @param start makes the answer; it looks at the check between two passes
   * @param signal of the caller
   */
  constructor(
    private readonly start: (check: AbortCheck) => AsyncGenerator<string, ChatResult, void>,
    private readonly signal?: AbortSignal,
  ) {
    this.settled = new Promise((resolve, reject) => {
      this.settle = { resolve, reject }
    })
    // A reader of the pieces sees an error there; it need not wait for the result as well.
    this.settled.catch(() => {})
  }

  /** The finished answer. Asking for it makes the answer to its end. */
  get result(): Promise<ChatResult> {
    void this.drain()
    return this.settled
  }

  /** The next piece; at the end the result. */
  async next(): Promise<IteratorResult<string, ChatResult>> {
    while (this.pieces.length === 0 && !this.outcome) await this.pull()
    const piece = this.pieces.shift()
    if (piece !== undefined) return { done: false, value: piece }
    const outcome = this.outcome as Outcome
    if ('error' in outcome) throw outcome.error
    return { done: true, value: outcome.result }
  }

  /** Ends the answer; called by a loop that is left. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.pieces.length = 0
    if (!this.outcome) {
      const error = new AbortedError('the answer was ended by its reader')
      this.ended = error
      await this.pulling
      await this.steps?.return(undefined as never)
      this.end({ error })
    }
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  private async drain(): Promise<void> {
    while (!this.outcome) await this.pull()
  }

  /** One step; readers who ask at the same time share it, so that no piece overtakes another. */
  private pull(): Promise<void> {
    this.pulling ??= this.advance().finally(() => {
      this.pulling = undefined
    })
    return this.pulling
  }

  private async advance(): Promise<void> {
    try {
      if (this.ended) throw this.ended
      this.steps ??= this.start({ throwIfAborted: () => this.throwIfAborted() })
      const step = await this.steps.next()
      if (step.done) this.end({ result: step.value })
      else this.pieces.push(step.value)
    } catch (error) {
      this.end({ error })
    }
  }

  private throwIfAborted(): void {
    if (this.ended) throw this.ended
    this.signal?.throwIfAborted()
  }

  private end(outcome: Outcome): void {
    if (this.outcome) return
    this.outcome = outcome
    if ('error' in outcome) this.settle?.reject(outcome.error)
    else this.settle?.resolve(outcome.result)
  }
}
