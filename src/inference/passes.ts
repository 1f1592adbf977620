/**
 * Whose turn it is to run a model, and until when. Passes of the decoder share sessions and threads, so they run one after the other, in the
 * order in which they were asked for: requests that run at the same time take turns pass by pass. So do those of the vision tower, beside them.
 * A model that is disposed lets the passes in flight end and refuses the others. Nothing native runs outside of a turn.
 */
import { DisposedError } from '../common/errors.js'

/** The turns of one part of a model. */
export class PassQueue {
  private last: Promise<void> = Promise.resolve()
  /** Turns that have not ended. */
  private open = 0
  private closed = false

  /** @param what whose passes these are, in errors: `model nano` */
  constructor(readonly what: string) {}

  /** Whether no pass runs or waits. */
  get idle(): boolean {
    return this.open === 0
  }

  /**
   * Runs `pass` when all passes before it have ended.
   * @throws DisposedError (as a rejection) once the queue is closed, also for a pass that was waiting then
   */
  run<T>(pass: () => Promise<T>): Promise<T> {
    this.open++
    const turn = this.last.then(() => {
      if (this.closed) throw new DisposedError(this.what)
      return pass()
    })
    const ended = (): void => {
      this.open--
    }
    this.last = turn.then(ended, ended)
    return turn
  }

  /** Refuses every pass that has not begun; `ended` resolves behind the one that runs, and is absent where there is none. */
  close(): { readonly ended?: Promise<void> } {
    this.closed = true
    return this.idle ? {} : { ended: this.last }
  }
}

/** Native memory that a pass may be reading when its owner disposes it: it is freed behind the last use. */
export class Lifetime {
  private uses = 0
  private ended = false

  constructor(
    private readonly what: string,
    private readonly free: () => void,
  ) {}

  /** @throws DisposedError after `end` */
  check(): void {
    if (this.ended) throw new DisposedError(this.what)
  }

  /** Keeps the memory until `work` has settled. @throws DisposedError after `end` */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.check()
    this.uses++
    try {
      return await work()
    } finally {
      if (--this.uses === 0 && this.ended) this.free()
    }
  }

  /** Frees the memory, now or behind the last use; once, however often it is called. */
  end(): void {
    if (this.ended) return
    this.ended = true
    if (this.uses === 0) this.free()
  }
}
