/**
 * Keys and values of several independent sequences side by side, [rows, kvHeads, capacity, D] per layer. A row begins at its own
 * first position and is as long as it is: fused attention takes a length for each row, so nothing is padded.
 */

import { InputError, XComposerError } from '../common/errors.js'
import { allocate, cacheWidth, Value } from '../engine/index.js'
import type { DecoderConfig } from '../model/config.js'
import { isStretched } from '../model/decoder/rotary.js'
import { copyPositions, grown, type KvCache, RotaryState } from './kv-cache.js'
import { Lifetime } from './passes.js'

/** KV buffers of at most `rows` sequences. `dispose` frees them behind the pass that uses them. */
export class KvBatch {
  /** Positions filled in each row. */
  readonly lengths: number[] = []
  /** Until `dispose`; a pass holds it. */
  readonly lifetime = new Lifetime('batch', () => this.free())
  private capacity: number
  private readonly rotary: RotaryState
  /** Keys, then values, of every layer. */
  private buffers: Float32Array[]
  /** Views of the rows in use. */
  private views: Value<'f32'>[] = []

  /**
   * @param positions what the longest row is expected to need; it may become longer
   * @param limit most positions a row may have
   */
  constructor(
    private readonly config: DecoderConfig,
    private readonly rows: number,
    positions: number,
    private readonly limit: number,
  ) {
    this.capacity = Math.min(limit, grown(0, positions))
    this.rotary = new RotaryState(config)
    this.buffers = Array.from({ length: 2 * config.layers }, () => allocate('f32', rows * this.rowSize))
  }

  private get rowSize(): number {
    return this.config.kvHeads * this.capacity * cacheWidth(this.config.headDim)
  }

  /** Copies a sequence into the next row. */
  add(cache: KvCache): void {
    this.lifetime.check()
    cache.lifetime.check()
    if (this.lengths.length === this.rows) throw new XComposerError(`a batch of ${this.rows} rows has no room for another`)
    const row = this.lengths.length
    this.lengths.push(cache.length)
    this.grow(cache.length)
    ;[...cache.keys, ...cache.values].forEach(({ data }, i) => {
      copyPositions(data, this.row(this.buffers[i] as Float32Array, row), this.config, cache.length)
    })
    this.release()
  }

  /** Drops a row; the last one takes its place. */
  remove(row: number): void {
    const last = this.lengths.length - 1
    if (row !== last) {
      for (const buffer of this.buffers) this.row(buffer, row).set(this.row(buffer, last))
      this.lengths[row] = this.lengths[last] as number
    }
    this.lengths.pop()
    this.release()
  }

  private row(buffer: Float32Array, row: number, size = this.rowSize): Float32Array {
    return buffer.subarray(row * size, (row + 1) * size)
  }

  /** Makes room for one more position in every row. @throws InputError beyond the limit */
  reserve(): void {
    this.lifetime.check()
    const total = Math.max(...this.lengths) + 1
    if (total > this.limit)
      throw new InputError(`a sequence would have ${total} positions; this model's context is ${this.limit}`, {
        code: 'context_length_exceeded',
      })
    // One table serves all rows, and dynamic scaling has another for each length.
    if (isStretched(this.config, total)) throw new XComposerError('dynamic rotary scaling cannot be batched beyond its limit')
    this.grow(total)
  }

  private grow(total: number): void {
    if (total <= this.capacity) return
    const before = this.rowSize
    this.capacity = Math.min(this.limit, grown(this.capacity, total))
    this.buffers = this.buffers.map((from) => {
      const to = allocate('f32', this.rows * this.rowSize)
      this.lengths.forEach((length, row) => {
        copyPositions(this.row(from, row, before), this.row(to, row), this.config, length)
      })
      return to
    })
    this.release()
  }

  /** [rows in use, kvHeads, capacity, D] per layer with D = cacheWidth(d). */
  get keys(): readonly Value<'f32'>[] {
    return this.bound().slice(0, this.config.layers)
  }

  get values(): readonly Value<'f32'>[] {
    return this.bound().slice(this.config.layers)
  }

  private bound(): readonly Value<'f32'>[] {
    if (this.views.length === 0) {
      const rows = this.lengths.length
      const shape = [rows, this.config.kvHeads, this.capacity, cacheWidth(this.config.headDim)]
      this.views = this.buffers.map((buffer) => Value.of('f32', shape, buffer.subarray(0, rows * this.rowSize)))
    }
    return this.views
  }

  private release(): void {
    for (const view of this.views) view.dispose()
    this.views = []
  }

  /** Rotary tables for the next step. */
  tables(): { cos: Value; sin: Value } {
    return this.rotary.tables(this.capacity, Math.max(...this.lengths) + 1)
  }

  dispose(): void {
    this.lifetime.end()
  }

  private free(): void {
    this.release()
    this.buffers = []
    this.rotary.dispose()
  }
}
