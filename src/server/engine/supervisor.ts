/**
 * The engine in a worker process, and what happens when that dies: what has streamed nothing is asked once more of the next worker, the rest
 * fails with an EngineLostError, and the next worker starts at once, later with growing pauses. This process does nothing native.
 */
import type { Inside } from '../../chat/look-inside.js'
import { DisposedError, XComposerError } from '../../common/errors.js'
import {
  type CacheStatistics,
  type Embedding,
  type EmbeddingInput,
  type Engine,
  type EngineEvent,
  EngineLostError,
  type EngineModel,
  type EngineRequest,
  type InsideRequest,
} from '../engine.js'
import type { ModelSettings } from './model-shelf.js'
import { type Call, type CallValues, type FromWorker, unpackError, type Work, type WorkerCounters } from './protocol.js'
import { RemoteAnswer } from './remote-answer.js'
import { WorkerProcess } from './worker-process.js'

/** How a supervisor works. */
export interface SupervisorOptions extends ModelSettings {
  /** Lines for the log: what the worker writes, and when it dies and comes back. */
  readonly onNotice?: (line: string) => void
  /** The first pause before a start, in ms; it doubles with each death in a row. The first start after a death waits for nothing. Default 250. */
  readonly pauseMs?: number
  /** How long `close` waits for answers in flight, and then for the worker to exit, in ms. Default 30 s. */
  readonly graceMs?: number
  /** Node's own arguments for the worker, where it runs from sources. */
  readonly execArgv?: readonly string[]
}

/** Work that has not ended. */
interface Job {
  readonly work: Work
  /** How often a worker was given it. */
  tries: number
  /** Whether the worker that lives has it. */
  sent: boolean
  /** Whether its asker has something of it already. */
  streamed: boolean
  onMessage(message: FromWorker): void
  fail(error: unknown): void
}

/** A request that two workers died of is not given to a third. */
const MOST_TRIES = 2
/** Starts that may fail in a row before those who wait are told. */
const PATIENT_STARTS = 3
const LONGEST_PAUSE_MS = 10_000

/** `start` makes one; `close` ends it. */
export class Supervisor implements Engine {
  private readonly jobs = new Map<number, Job>()
  private worker: WorkerProcess | undefined
  private known: readonly EngineModel[] = []
  private started = false
  private closing = false
  private lastId = 0
  /** Deaths since a worker last ended a job, and starts that failed since one last succeeded. */
  private deaths = 0
  private failedStarts = 0
  private pause: NodeJS.Timeout | undefined
  private onStart: { resolve(): void; reject(error: unknown): void } | undefined
  private onIdle: (() => void) | undefined

  private constructor(private readonly options: SupervisorOptions) {}

  /**
   * Starts a worker and waits until it can answer.
   * @throws InputError for models that cannot be loaded, XComposerError where the worker dies again and again while it loads
   */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const supervisor = new Supervisor(options)
    await new Promise<void>((resolve, reject) => {
      supervisor.onStart = { resolve, reject }
      supervisor.launch()
    })
    return supervisor
  }

  get models(): readonly EngineModel[] {
    return this.known
  }

  get ready(): boolean {
    return this.started && !this.closing
  }

  /** The worker's process; undefined while there is none. */
  get pid(): number | undefined {
    return this.worker?.pid
  }

  answer(request: EngineRequest, signal: AbortSignal): AsyncIterableIterator<EngineEvent> {
    const id = ++this.lastId
    const answer: RemoteAnswer = new RemoteAnswer(
      {
        begin: () => {
          this.add(id, {
            work: { type: 'answer', request },
            onMessage: (message) => {
              if (message.type !== 'event') return
              if (message.event.type === 'end') this.remove(id)
              answer.push(message.event)
            },
            fail: (error) => answer.fail(error),
          })
        },
        credit: (events) => this.worker?.send({ type: 'credit', id, events }),
        abort: () => this.abort(id),
      },
      signal,
    )
    return answer
  }

  embed(model: string, inputs: readonly EmbeddingInput[], signal: AbortSignal): Promise<readonly Embedding[]> {
    return this.call({ kind: 'embed', model, inputs }, signal)
  }

  inside(request: InsideRequest, signal: AbortSignal): Promise<Inside> {
    return this.call({ kind: 'inside', request }, signal)
  }

  cacheStatistics(): Promise<CacheStatistics> {
    return this.call({ kind: 'statistics' })
  }

  clearCaches(): Promise<void> {
    return this.call({ kind: 'clear' })
  }

  /** What the worker holds: for tests, which count what comes back. */
  counters(): Promise<WorkerCounters> {
    return this.call({ kind: 'counters' })
  }

  async close(): Promise<void> {
    const { graceMs = 30_000 } = this.options
    this.closing = true
    if (this.jobs.size > 0) {
      const idle = new Promise<void>((resolve) => {
        this.onIdle = resolve
      })
      await within(graceMs, idle)
    }
    clearTimeout(this.pause)
    for (const [id, job] of [...this.jobs]) {
      this.abort(id)
      job.fail(new EngineLostError('the server was closed before the answer ended'))
    }
    const { worker } = this
    if (!worker) return
    worker.send({ type: 'close' })
    if (!(await within(graceMs, worker.ended))) worker.kill()
    await worker.ended
  }

  private call<K extends Call['kind']>(call: Call & { readonly kind: K }, signal?: AbortSignal): Promise<CallValues[K]> {
    const id = ++this.lastId
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.abort(id)
        reject(signal?.reason)
      }
      const settled = (): void => signal?.removeEventListener('abort', onAbort)
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      signal?.addEventListener('abort', onAbort)
      this.add(id, {
        work: { type: 'call', call },
        onMessage: (message) => {
          if (message.type !== 'value') return
          this.remove(id)
          settled()
          resolve(message.value as CallValues[K])
        },
        fail: (error) => {
          settled()
          reject(error)
        },
      })
    })
  }

  private add(id: number, job: Pick<Job, 'work' | 'onMessage' | 'fail'>): void {
    if (this.closing) {
      job.fail(new DisposedError('engine'))
      return
    }
    this.jobs.set(id, { ...job, tries: 0, sent: false, streamed: false })
    this.sendWaiting()
  }

  private sendWaiting(): void {
    if (!this.started || !this.worker) return
    for (const [id, job] of this.jobs) {
      if (job.sent) continue
      job.sent = true
      job.tries++
      try {
        this.worker.send({ ...job.work, id })
      } catch (error) {
        this.fail(id, error)
      }
    }
  }

  private abort(id: number): void {
    if (this.jobs.get(id)?.sent) this.worker?.send({ type: 'abort', id })
    this.remove(id)
  }

  private fail(id: number, error: unknown): void {
    const job = this.jobs.get(id)
    this.remove(id)
    job?.fail(error)
  }

  private remove(id: number): void {
    this.jobs.delete(id)
    if (this.jobs.size === 0) this.onIdle?.()
  }

  private launch(): void {
    const worker: WorkerProcess = new WorkerProcess(
      {
        onMessage: (message) => this.receive(message),
        onLine: (line) => this.notice(line),
        onEnd: (how) => this.lost(how),
      },
      this.options.execArgv,
    )
    this.worker = worker
    const { onNotice, pauseMs, graceMs, execArgv, ...settings } = this.options
    worker.send({ type: 'start', settings })
  }

  private receive(message: FromWorker): void {
    if (message.type === 'started') this.begin(message.models)
    else if (message.type === 'models') this.known = message.models
    else if (message.type === 'notice') this.notice(message.line)
    else if (message.type === 'refused') this.refused(unpackError(message.error))
    else {
      const job = this.jobs.get(message.id)
      // An answer that its reader left may have been on its way.
      if (!job) return
      job.streamed = true
      if (message.type !== 'event' || message.event.type === 'end') this.deaths = 0
      if (message.type === 'failed') this.fail(message.id, unpackError(message.error))
      else job.onMessage(message)
    }
  }

  private begin(models: readonly EngineModel[]): void {
    this.known = models
    this.started = true
    this.failedStarts = 0
    if (this.onStart) this.onStart.resolve()
    else this.notice('the engine is back')
    this.onStart = undefined
    this.sendWaiting()
  }

  /** The worker says why it cannot start; its end follows. */
  private refused(error: XComposerError): void {
    this.notice(`the engine cannot start: ${error.message}`)
    if (!this.onStart) return
    this.onStart.reject(error)
    this.onStart = undefined
    this.closing = true
  }

  private lost(how: string): void {
    const { started } = this
    this.worker = undefined
    this.started = false
    this.known = this.known.map((model) => ({ ...model, loaded: false }))
    if (this.closing && this.jobs.size === 0) return
    this.notice(`the engine's process ended: ${how}`)
    this.deaths++
    if (!started) this.failedStarts++
    const error = new EngineLostError(`the engine's process ended (${how}) before the answer did; ask again`)
    for (const [id, job] of [...this.jobs]) {
      if (!job.sent) continue
      job.sent = false
      if (job.streamed || job.tries >= MOST_TRIES) this.fail(id, error)
    }
    if (this.failedStarts >= PATIENT_STARTS) this.giveUpWaiting(how)
    if (this.closing && this.jobs.size === 0) return
    const { pauseMs = 250 } = this.options
    const pause = this.deaths === 1 ? 0 : Math.min(LONGEST_PAUSE_MS, pauseMs * 2 ** (this.deaths - 2))
    this.pause = setTimeout(() => this.launch(), pause)
  }

  /** It may come back, but nobody should have to wait for it. */
  private giveUpWaiting(how: string): void {
    const error = `the engine's process ended ${this.failedStarts} times while it started (${how})`
    for (const id of [...this.jobs.keys()]) this.fail(id, new EngineLostError(`${error}; ask again later`))
    if (!this.onStart) return
    this.onStart.reject(new XComposerError(`${error}; is there enough memory for the model?`))
    this.onStart = undefined
    this.closing = true
  }

  private notice(line: string): void {
    this.options.onNotice?.(line)
  }
}

/** Whether `work` ended within so many milliseconds. */
async function within(ms: number, work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
