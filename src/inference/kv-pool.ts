/**
 * Keys and values of sequences that are decoded together, as rows of one memory: [rows, kvHeads, capacity, D] per layer, which fused
 * attention takes as it is, with a length for each row. A row is memory like any other to its sequence, which is prefilled there and decoded there,
 * alone or in a pass with the rows beside it. A row that leaves is not closed up: passes compute it along as a row that nobody reads, and
 * only when that has cost as much as moving a row would is one moved. A lone row is the memory of its sequence, handed over as it is.
 */
import { allocate, cacheWidth, Value } from '../engine/index.js'
import type { DecoderConfig } from '../model/config.js'
import { copyPositions, grown, type KvCache, type KvHome } from './kv-cache.js'

/** Rows of the memory when a second sequence comes: memory that nobody writes costs none, and growing copies. */
const FIRST_ROWS = 4

/** Moving a row of so many positions takes about as long as computing a row of a pass (1.8 B at 4 bits; half of it on nano). */
const POSITIONS_PER_ROW = 256

/** Neighbouring rows, for one pass. */
export interface KvRows {
  /** [rows, kvHeads, capacity, D] per layer. */
  readonly keys: readonly Value<'f32'>[]
  readonly values: readonly Value<'f32'>[]
  /** Positions filled in each row; 0 in one that is free. */
  readonly lengths: readonly number[]
  /** Which of the rows each of the sequences is, that the pass is for; the others are computed along and not changed. */
  readonly places: readonly number[]
  readonly capacity: number
}

interface View {
  readonly first: number
  readonly count: number
  /** Keys, then values, of every layer. */
  readonly values: Value<'f32'>[]
}

/** Rows may enter, move and grow between passes only; they leave at any time. */
export class KvPool implements KvHome {
  private readonly rows: (KvCache | undefined)[] = []
  private capacity = 0
  /** Keys, then values, of every layer. */
  private readonly buffers: Float32Array[] = []
  private view: View | undefined
  private inPass = false
  /** Rows that passes have computed for nobody since the last move. */
  private wasted = 0

  /**
   * @param limit positions that a row is not given memory for beyond what it asks for
   * @param unbind lets sessions forget the memory of their last run, at once (between two passes) or soon
   */
  constructor(
    private readonly config: DecoderConfig,
    private readonly limit: number,
    private readonly unbind: (when: 'now' | 'soon') => void = () => {},
  ) {}

  /** Rows that there is memory for, and those in use. */
  get size(): { readonly rows: number; readonly used: number; readonly capacity: number } {
    return { rows: this.rows.length, used: this.rows.filter((row) => row).length, capacity: this.capacity }
  }

  /** Brings a sequence into a free row. The first one's memory becomes the pool's. */
  enter(cache: KvCache): void {
    if (cache.home) return
    cache.lifetime.check()
    if (this.size.used === 0) {
      this.free()
      this.rows.push(cache)
      this.capacity = cache.capacity
      this.buffers.push(...[...cache.keys, ...cache.values].map(({ data }) => data))
      cache.home = this
      return
    }
    let row = this.rows.indexOf(undefined)
    if (row < 0) {
      row = this.rows.length
      this.resize(Math.max(FIRST_ROWS, 2 * row), this.capacity)
    }
    if (cache.length >= this.capacity) this.grow(cache.length + 1)
    ;[...cache.keys, ...cache.values].forEach(({ data }, i) => {
      copyPositions(data, this.part(i, row), this.config, cache.length)
    })
    this.settle(cache, row)
  }

  leave(cache: KvCache): void {
    this.take(cache)
    cache.home = undefined
    this.freeIfEmpty()
  }

  /** Brings a sequence out with its positions, into memory of its own. */
  bringOut(cache: KvCache): void {
    // The memory of a lone row is its own.
    if (this.rows.length > 1) cache.bringOut()
    this.leave(cache)
  }

  grow(entries: number): void {
    this.resize(this.rows.length, Math.max(entries, Math.min(this.limit, grown(this.capacity, entries))))
  }

  /** The rows of these sequences, and those between them, with room for one position more in each. Moves rows together where it pays. */
  together(caches: readonly KvCache[]): KvRows {
    const [first, last] = this.closeUp(caches)
    const between = this.rows.slice(first, last + 1)
    const lengths = between.map((row) => row?.length ?? 0)
    const longest = Math.max(...lengths)
    if (longest >= this.capacity) this.grow(longest + 1)
    const { values } = this.viewOf(first, between.length)
    const { layers } = this.config
    const places = caches.map((cache) => between.indexOf(cache))
    return { keys: values.slice(0, layers), values: values.slice(layers), lengths, places, capacity: this.capacity }
  }

  /** Keeps the memory until `pass` has settled. */
  async during<T>(pass: () => Promise<T>): Promise<T> {
    this.inPass = true
    try {
      return await pass()
    } finally {
      this.inPass = false
      this.freeIfEmpty()
    }
  }

  /** Between the first and the last row; as renting and buying: what is computed for nobody may cost as much as a move before there is one. */
  private closeUp(caches: readonly KvCache[]): [first: number, last: number] {
    for (;;) {
      const places = caches.map((cache) => this.rows.indexOf(cache))
      const [first, last] = [Math.min(...places), Math.max(...places)]
      this.wasted += last - first + 1 - places.length
      const free = this.rows.indexOf(undefined, first)
      const [low, high] = [this.rows[first] as KvCache, this.rows[last] as KvCache]
      const moved = low.length < high.length ? low : high
      const cost = 1 + moved.length / POSITIONS_PER_ROW
      if (free < 0 || free > last || this.wasted < cost) return [first, last]
      this.wasted = 0
      this.move(moved, free)
    }
  }

  private move(cache: KvCache, row: number): void {
    const from = this.take(cache)
    for (const i of this.buffers.keys()) copyPositions(this.part(i, from), this.part(i, row), this.config, cache.length)
    this.settle(cache, row)
  }

  private take(cache: KvCache): number {
    const row = this.rows.indexOf(cache)
    if (row >= 0) this.rows[row] = undefined
    return row
  }

  private settle(cache: KvCache, row: number): void {
    this.rows[row] = cache
    for (const i of this.buffers.keys()) cache.replace(i, this.rowValue(i, row))
    cache.capacity = this.capacity
    cache.home = this
  }

  private rowValue(buffer: number, row: number): Value<'f32'> {
    const { kvHeads, headDim } = this.config
    return Value.of('f32', [1, kvHeads, this.capacity, cacheWidth(headDim)], this.part(buffer, row))
  }

  private get rowSize(): number {
    return this.config.kvHeads * this.capacity * cacheWidth(this.config.headDim)
  }

  private part(buffer: number, row: number): Float32Array {
    return (this.buffers[buffer] as Float32Array).subarray(row * this.rowSize, (row + 1) * this.rowSize)
  }

  /** Layer by layer, so that there are never two of all. */
  private resize(rows: number, capacity: number): void {
    this.unbind('now')
    this.dropView()
    const before = this.rowSize
    this.capacity = capacity
    for (let i = 0; i < 2 * this.config.layers; i++) {
      const to = allocate('f32', rows * this.rowSize)
      const from = this.buffers[i]
      this.buffers[i] = to
      for (const [row, cache] of this.rows.entries()) {
        if (!cache) continue
        if (from) copyPositions(from.subarray(row * before, (row + 1) * before), this.part(i, row), this.config, cache.length)
        cache.replace(i, this.rowValue(i, row))
      }
    }
    for (const cache of this.rows) if (cache) cache.capacity = capacity
    while (this.rows.length < rows) this.rows.push(undefined)
  }

  private viewOf(first: number, count: number): View {
    if (this.view?.first !== first || this.view.count !== count) {
      this.dropView()
      const shape = [count, this.config.kvHeads, this.capacity, cacheWidth(this.config.headDim)]
      const values = this.buffers.map((buffer) =>
        Value.of('f32', shape, buffer.subarray(first * this.rowSize, (first + count) * this.rowSize)),
      )
      this.view = { first, count, values }
    }
    return this.view
  }

  private dropView(): void {
    for (const value of this.view?.values ?? []) value.dispose()
    this.view = undefined
  }

  private freeIfEmpty(): void {
    if (!this.inPass && this.size.used === 0) this.free()
  }

  private free(): void {
    if (this.rows.length === 0) return
    this.unbind('soon')
    this.dropView()
    this.rows.length = 0
    this.buffers.length = 0
    this.capacity = 0
    this.wasted = 0
  }
}
