/** One sequence's keys and values, rotated keys as the reference stores them, growing in place up to a capacity. */
import { Value } from '../engine/index.js'
import { InputError } from '../errors.js'
import type { DecoderConfig } from './config.js'
import { rotaryTables } from './rotary.js'

/** Positions are added to the buffers in steps of this many. */
const STEP = 256

/**
 * Rotary tables and, for dynamic NTK, the longest length seen. The reference keeps this state for the life of the model
 * object; here each sequence has its own unless one is passed on (SPEC 4).
 */
export class RotaryState {
  private longest = 0
  private made: { cos: Value; sin: Value; positions: number; longest: number } | undefined

  constructor(private readonly config: DecoderConfig) {}

  /** Tables of at least `capacity` positions, valid at a total length of `total`. */
  tables(capacity: number, total: number): { cos: Value; sin: Value } {
    const { ropeScaling, maxPositions } = this.config
    // Only dynamic scaling beyond the limit changes the values.
    this.longest = ropeScaling?.type === 'dynamic' && total > maxPositions ? Math.max(this.longest, total) : this.longest
    if (!this.made || this.made.positions < capacity || this.made.longest !== this.longest) {
      const t = rotaryTables(this.config, capacity, this.longest)
      const shape = [capacity, this.config.headDim / 2]
      this.dispose()
      this.made = {
        cos: Value.of('f32', shape, t.cos),
        sin: Value.of('f32', shape, t.sin),
        positions: capacity,
        longest: this.longest,
      }
    }
    return { cos: this.made.cos, sin: this.made.sin }
  }

  /** A copy with the same memory of lengths. */
  clone(): RotaryState {
    const copy = new RotaryState(this.config)
    copy.longest = this.longest
    return copy
  }

  dispose(): void {
    this.made?.cos.dispose()
    this.made?.sin.dispose()
    this.made = undefined
  }
}

/** KV buffers of one sequence, [1, kvHeads, capacity, d] per layer; `dispose` once. */
export class KvCache {
  keys: Value<'f32'>[] = []
  values: Value<'f32'>[] = []
  /** Positions filled. */
  length = 0
  private capacity = 0

  /** @param limit most positions the sequence may have */
  constructor(
    private readonly config: DecoderConfig,
    readonly limit: number,
    private readonly rotary: RotaryState = new RotaryState(config),
    private readonly ownsRotary = true,
  ) {}

  tables(total: number): { cos: Value; sin: Value } {
    return this.rotary.tables(this.capacity, total)
  }

  /** Makes room for `total` positions. @throws InputError beyond the limit */
  reserve(total: number): void {
    if (total > this.limit)
      throw new InputError(`the sequence would have ${total} positions; this model's context is ${this.limit}`)
    if (total <= this.capacity) return
    const capacity = Math.min(this.limit, Math.ceil(Math.max(total, this.capacity * 1.5) / STEP) * STEP)
    this.keys = this.moved(this.keys, capacity)
    this.values = this.moved(this.values, capacity)
    this.capacity = capacity
  }

  private moved(from: readonly Value<'f32'>[], capacity: number): Value<'f32'>[] {
    const { layers, kvHeads, headDim: d } = this.config
    return Array.from({ length: layers }, (_, layer) => {
      const to = Value.zeros('f32', [1, kvHeads, capacity, d])
      const old = from[layer]
      if (old) {
        for (let head = 0; head < kvHeads; head++) {
          const start = head * this.capacity * d
          to.data.set(old.data.subarray(start, start + this.length * d), head * capacity * d)
        }
        old.dispose()
      }
      return to
    })
  }

  /** A layer's filled keys or values, [kvHeads, length, d]. */
  filled(which: 'keys' | 'values', layer: number): Float32Array {
    const { kvHeads, headDim: d } = this.config
    const data = (this[which][layer] as Value<'f32'>).data
    const out = new Float32Array(kvHeads * this.length * d)
    for (let head = 0; head < kvHeads; head++) {
      const start = head * this.capacity * d
      out.set(data.subarray(start, start + this.length * d), head * this.length * d)
    }
    return out
  }

  /** An independent copy. */
  clone(): KvCache {
    const copy = new KvCache(this.config, this.limit, this.rotary.clone())
    copy.capacity = this.capacity
    copy.length = this.length
    const copied = (v: Value<'f32'>) => {
      const to = Value.zeros('f32', v.shape)
      to.data.set(v.data)
      return to
    }
    copy.keys = this.keys.map(copied)
    copy.values = this.values.map(copied)
    return copy
  }

  dispose(): void {
    for (const value of [...this.keys, ...this.values]) value.dispose()
    this.keys = []
    this.values = []
    this.capacity = 0
    if (this.ownsRotary) this.rotary.dispose()
  }
}
