/**
 * Continuous batching: the answers of one model that are being made share the passes of the decoder. Rows join and leave between passes.
 * Whoever asks for the logits behind an id has a pass begin, in its turn (passes.ts), for all rows that have an id by then; so the weights, whose
 * reading is most of a pass, are read once for all of them. A row whose reader does not read on has no next id: passes go on without it, and when
 * others need its place it is brought out until it is read again. Prompts are computed one at a time, in pieces, and each piece is a turn: the others'
 * next ids come in between. Alone, a row has the passes of a sequence of its own.
 */
import type { AbortCheck } from '../common/abort.js'
import { DisposedError, XComposerError } from '../common/errors.js'
import type { DecoderRuntime, DecoderSequence } from './decoder-runtime.js'
import { KvPool } from './kv-pool.js'
import { PassQueue } from './passes.js'
import { PIECE_ROWS } from './pieces.js'
import type { Sequence } from './sequence.js'

/** Rows that are decoded together at most, by default. */
export const DEFAULT_SLOTS = 16

/** A row that was not read for so many passes is brought out: passes compute what lies between their rows along. */
const MISSED_UNTIL_OUT = 32

interface Waiting {
  readonly signal: AbortCheck | undefined
  resolve(): void
  reject(error: unknown): void
}

interface Asked {
  readonly id: number
  readonly embedding: Float32Array
  resolve(logits: Float32Array): void
  reject(error: unknown): void
}

/** What becomes possible between two passes: the next id of every row whose reader is not slow is chosen in this time. */
const nextTick = () => new Promise<void>((resolve) => void setImmediate(resolve))

/** The rows of one model. `dispose` when no pass runs; it ends all of them. */
export class Scheduler {
  readonly pool: KvPool
  /** Turns of prompts: their images and their pieces. */
  readonly prompts: PassQueue
  private readonly rows = new Set<ScheduledRow>()
  /** Places given away: to rows, and to prompts that will be rows. */
  private taken = 0
  private readonly waiting: Waiting[] = []
  /** Whether a pass has been asked for and has not begun. */
  private due = false
  private looking = false
  private disposed = false

  /**
   * @param slots rows that are decoded together at most
   * @param together whether rows can share a pass; otherwise they take turns
   */
  constructor(
    private readonly model: DecoderRuntime,
    private readonly slots: number,
    private readonly together: boolean,
  ) {
    this.pool = new KvPool(model.config.decoder, model.config.maxLength, (when) => model.sessions.unbind(when))
    this.prompts = new PassQueue(model.passes.what)
  }

  /** Places that nobody has. */
  get free(): number {
    return this.slots - this.taken
  }

  /** Sequences of the answers that are being made. */
  get running(): DecoderSequence[] {
    return [...this.rows].map(({ sequence }) => sequence)
  }

  /** Rows of a prompt that the next pass may take: a piece where others wait for their next id. */
  get mostRows(): number {
    // Tables that depend on the length would be others in a piece than in the whole.
    for (const row of this.together ? this.rows : []) if (row.isRead) return PIECE_ROWS
    return Number.POSITIVE_INFINITY
  }

  /**
   * A place for a row, in the order in which they were asked for; `start` uses it up, otherwise it is given back with `giveBack`.
   * @throws the signal's reason, DisposedError
   */
  async place(signal?: AbortCheck): Promise<void> {
    if (this.disposed) throw new DisposedError(this.model.passes.what)
    signal?.throwIfAborted()
    if (this.waiting.length === 0 && this.taken < this.slots) {
      this.taken++
      return
    }
    await new Promise<void>((resolve, reject) => {
      this.waiting.push({ signal, resolve, reject })
      this.look()
    })
  }

  giveBack(): void {
    this.taken--
    this.look()
  }

  /** Brings an empty sequence into the pool, where it is prefilled and decoded; in a turn. */
  enter(sequence: DecoderSequence): void {
    if (this.together) this.pool.enter(sequence.cache)
  }

  /**
   * A sequence with its prompt in it as a row. It takes the caller's place.
   * @param held whether it is not about to be read; until `behindPrompts` the others do not count on it
   */
  start(sequence: DecoderSequence, signal?: AbortCheck, held = false): ScheduledRow {
    sequence.cache.lifetime.check()
    const row = new ScheduledRow(this, sequence, signal)
    row.held = held
    this.rows.add(row)
    return row
  }

  /** Waits until the prompts that wait now are computed, so that the row is decoded together with theirs. */
  async behindPrompts(row: ScheduledRow): Promise<void> {
    await this.prompts.run(async () => {})
    row.held = false
  }

  /** @internal */
  async next(row: ScheduledRow, id: number): Promise<Float32Array> {
    const { cache } = row.sequence
    cache.checkRoom(cache.length + 1)
    if (row.asked) throw new XComposerError('a row was asked for its next logits twice at the same time')
    const embedding = this.model.store.embed([id])
    row.missed = 0
    if (!row.placed) {
      await this.place(row.signal)
      row.placed = true
      if (!this.rows.has(row)) this.giveBack()
      cache.lifetime.check()
    }
    return new Promise((resolve, reject) => {
      row.asked = { id, embedding, resolve, reject }
      if (this.due) return
      this.due = true
      this.model.passes.run(() => this.pass()).catch((error) => this.fail(error))
    })
  }

  /** @internal A row ends: with `keep` its sequence goes on with memory of its own, otherwise it is disposed. */
  leave(row: ScheduledRow, keep: boolean): void {
    if (!this.rows.delete(row)) return
    if (row.sequence.cache.home) {
      if (keep) this.pool.bringOut(row.sequence.cache)
      else this.pool.leave(row.sequence.cache)
    }
    if (!keep) row.sequence.dispose()
    row.asked?.reject(new DisposedError('sequence'))
    row.asked = undefined
    if (row.placed) this.giveBack()
  }

  /** One pass for all rows that have an id, in its turn. */
  private async pass(): Promise<void> {
    if ([...this.rows].some(({ asked, isRead }) => !asked && isRead)) await nextTick()
    this.due = false
    const ready: ScheduledRow[] = []
    for (const row of this.rows) {
      if (row.asked) ready.push(row)
      else if (!row.held && ++row.missed === MISSED_UNTIL_OUT && row.placed) this.bringOut(row)
    }
    const asked = ready.map((row) => row.asked as Asked)
    for (const row of ready) {
      row.asked = undefined
      row.inPass = true
    }
    const settle = (i: number, logits: Float32Array): void => {
      const { sequence, inPass } = ready[i] as ScheduledRow
      if (inPass) {
        sequence.content.push((asked[i] as Asked).id)
        asked[i]?.resolve(logits)
      } else asked[i]?.reject(new DisposedError('sequence'))
    }
    try {
      if (this.together && ready.length > 1) await this.passTogether(ready, asked, settle)
      else for (const [i, row] of ready.entries()) await this.passAlone(row, asked[i] as Asked, (logits) => settle(i, logits))
    } catch (error) {
      for (const one of asked) one.reject(error)
    } finally {
      for (const row of ready) row.inPass = false
    }
    this.look()
  }

  private async passAlone(row: ScheduledRow, { embedding }: Asked, settle: (logits: Float32Array) => void): Promise<void> {
    const { cache } = row.sequence
    const { logits } = await this.model.sessions.pass({ embeddings: embedding, tokens: 1, logitColumns: [0] }, cache)
    settle(logits)
  }

  private async passTogether(
    ready: readonly ScheduledRow[],
    asked: readonly Asked[],
    settle: (i: number, logits: Float32Array) => void,
  ): Promise<void> {
    const { hiddenSize, vocabularySize } = this.model.config.decoder
    const caches = ready.map(({ sequence }) => sequence.cache)
    for (const cache of caches) this.pool.enter(cache)
    const rows = this.pool.together(caches)
    const embeddings = new Float32Array(ready.length * hiddenSize)
    asked.forEach(({ embedding }, i) => void embeddings.set(embedding, i * hiddenSize))
    const tables = this.model.rotary.tables(rows.capacity, Math.max(...rows.lengths) + 1)
    const logits = await this.pool.during(() => this.model.sessions.passRows(embeddings, rows, tables))
    for (const [i, cache] of caches.entries()) {
      if (ready[i]?.inPass) cache.length++
      settle(i, logits.subarray(i * vocabularySize, (i + 1) * vocabularySize))
    }
  }

  /** Gives free places to those who wait, and those of rows that are not read; ends the waiting of those who were aborted. */
  private look(): void {
    if (this.looking || this.waiting.length === 0) return
    this.looking = true
    void nextTick().then(() => {
      this.looking = false
      for (const one of [...this.waiting]) {
        try {
          one.signal?.throwIfAborted()
        } catch (error) {
          this.waiting.splice(this.waiting.indexOf(one), 1)
          one.reject(error)
        }
      }
      while (this.waiting.length > 0 && (this.taken < this.slots || this.bringOutUnread())) {
        this.taken++
        this.waiting.shift()?.resolve()
      }
    })
  }

  /** Frees the place of a row that is not being read. */
  private bringOutUnread(): boolean {
    for (const row of this.rows) {
      if (!row.placed || row.held || row.asked || row.inPass) continue
      this.bringOut(row)
      return true
    }
    return false
  }

  private bringOut(row: ScheduledRow): void {
    if (row.sequence.cache.home) this.pool.bringOut(row.sequence.cache)
    row.placed = false
    row.missed = Math.max(1, row.missed)
    this.taken--
  }

  private fail(error: unknown): void {
    this.due = false
    for (const row of this.rows) {
      row.asked?.reject(error)
      row.asked = undefined
    }
  }

  dispose(): void {
    this.disposed = true
    this.prompts.close()
    for (const one of this.waiting.splice(0)) one.reject(new DisposedError(this.model.passes.what))
    for (const row of [...this.rows]) this.leave(row, false)
  }
}

/** An answer on its way: one id at a time. Its owner ends it with `keep` or `dispose`. */
export class ScheduledRow implements Sequence {
  /** @internal The id that it waits with. */
  asked: Asked | undefined
  /** @internal Passes that went on without it since it was last read. */
  missed = 0
  /** @internal */
  held = false
  /** @internal */
  placed = true
  /** @internal */
  inPass = false

  /** @internal */
  constructor(
    private readonly scheduler: Scheduler,
    readonly sequence: DecoderSequence,
    readonly signal: AbortCheck | undefined,
  ) {}

  get length(): number {
    return this.sequence.length
  }

  /** @internal Whether its next id can be counted on. */
  get isRead(): boolean {
    return !this.held && this.missed === 0
  }

  async append(ids: readonly number[]): Promise<Float32Array> {
    let logits: Float32Array = new Float32Array(0)
    for (const id of ids) logits = await this.scheduler.next(this, id)
    return logits
  }

  /** Ends the row; its sequence is the caller's, in memory of its own. */
  keep(): DecoderSequence {
    this.scheduler.leave(this, true)
    return this.sequence
  }

  dispose(): void {
    this.inPass = false
    this.scheduler.leave(this, false)
  }
}
