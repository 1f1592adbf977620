/** An answer that is made by the worker, as its reader sees it. At most CREDIT events wait here: the worker stops when nobody reads. */
import type { EngineEvent } from '../engine.js'
import { CREDIT } from './protocol.js'

/** What an answer asks of the supervisor. */
export interface AnswerSource {
  /** Called at the first `next`. */
  begin(): void
  /** So many events were read. */
  credit(events: number): void
  /** Nobody wants the rest. */
  abort(): void
}

type Outcome = 'ended' | { readonly error: unknown }

/** Events as they come. It begins when it is first read. */
export class RemoteAnswer implements AsyncIterableIterator<EngineEvent> {
  private readonly waiting: EngineEvent[] = []
  private outcome: Outcome | undefined
  private wake: (() => void) | undefined
  private begun = false
  private read = 0
  private readonly onAbort = () => this.leave({ error: this.signal.reason })

  constructor(
    private readonly source: AnswerSource,
    private readonly signal: AbortSignal,
  ) {}

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<EngineEvent, undefined>> {
    this.begin()
    for (;;) {
      const event = this.waiting.shift()
      if (event) {
        this.giveCredit()
        return { done: false, value: event }
      }
      if (this.outcome === 'ended') return { done: true, value: undefined }
      if (this.outcome) throw this.outcome.error
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.leave('ended')
    return { done: true, value: undefined }
  }

  /** The worker's next event. */
  push(event: EngineEvent): void {
    if (this.outcome) return
    this.waiting.push(event)
    if (event.type === 'end') this.end('ended')
    this.wake?.()
  }

  /** The answer failed; events that came before can still be read. */
  fail(error: unknown): void {
    this.end({ error })
  }

  private begin(): void {
    if (this.begun) return
    this.begun = true
    if (this.signal.aborted) {
      this.end({ error: this.signal.reason })
      return
    }
    this.signal.addEventListener('abort', this.onAbort)
    this.source.begin()
  }

  private giveCredit(): void {
    this.read++
    if (!this.outcome && this.read % (CREDIT / 2) === 0) this.source.credit(CREDIT / 2)
  }

  private leave(outcome: Outcome): void {
    this.waiting.length = 0
    const open = this.begun && !this.outcome
    this.begun = true
    this.end(outcome)
    if (open) this.source.abort()
  }

  private end(outcome: Outcome): void {
    if (this.outcome) return
    this.outcome = outcome
    this.signal.removeEventListener('abort', this.onAbort)
    this.wake?.()
  }
}
