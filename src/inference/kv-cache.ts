/** One sequence's keys and values, rotated keys as the reference stores them, growing in place up to a capacity. */

import { InputError } from '../common/errors.js'
import { cacheWidth, Value } from '../engine/index.js'
import type { DecoderConfig } from '../model/config.js'
import { isStretched, rotaryTables } from '../model/decoder/rotary.js'
import { Lifetime } from './passes.js'

/** Brings a state back to what it was when this was made. */
export type Restore = () => void

/** Positions are added to the buffers in multiples of this many. */
const KV_GROWTH = 256

/** The capacity of buffers that hold `capacity` positions now and must hold `needed`. */
export function grown(capacity: number, needed: number): number {
  return Math.ceil(Math.max(needed, capacity * 1.5) / KV_GROWTH) * KV_GROWTH
}

/** Bytes of keys and values of so many positions. */
export function kvBytes({ layers, kvHeads, headDim }: DecoderConfig, positions: number): number {
  return 2 * layers * kvHeads * cacheWidth(headDim) * positions * Float32Array.BYTES_PER_ELEMENT
}

/** Copies the first `positions` of every head between buffers [heads, capacity, D] that may differ in capacity. */
export function copyPositions(from: Float32Array, to: Float32Array, c: DecoderConfig, positions: number): void {
  const { kvHeads } = c
  const filled = positions * cacheWidth(c.headDim)
  const [wide, target] = [from.length / kvHeads, to.length / kvHeads]
  for (let head = 0; head < kvHeads; head++) {
    to.set(from.subarray(head * wide, head * wide + filled), head * target)
  }
}

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
    if (isStretched(this.config, total)) this.longest = Math.max(this.longest, total)
    if (!this.made || this.made.positions < capacity || this.made.longest !== this.longest) {
      const columns = cacheWidth(this.config.headDim) / 2
      const t = rotaryTables(this.config, capacity, this.longest, columns)
      const shape = [capacity, columns]
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

  /** Returns a function that forgets the lengths seen since. */
  snapshot(): Restore {
    const { longest } = this
    return () => {
      this.longest = longest
    }
  }

  dispose(): void {
    this.made?.cos.dispose()
    this.made?.sin.dispose()
    this.made = undefined
  }
}

/** What a cache lies in when its memory is a row of something larger: see kv-pool.ts. */
export interface KvHome {
  /** Makes room for `entries` in every row; the cache's memory is another afterwards. */
  grow(entries: number): void
  /** Forgets a cache that is disposed. */
  leave(cache: KvCache): void
}

/**
 * KV buffers of one sequence, [1, kvHeads, capacity, D] per layer with D = cacheWidth(d), in memory of its own or in a row of a pool.
 * `dispose` frees them behind the pass that uses them; afterwards every use is a DisposedError.
 */
export class KvCache {
  readonly keys: Value<'f32'>[] = []
  readonly values: Value<'f32'>[] = []
  /** Positions filled. */
  length = 0
  /** Positions that there is memory for. */
  capacity = 0
  /** The pool that it is a row of. */
  home: KvHome | undefined
  /** Until `dispose`; a pass holds it. */
  readonly lifetime = new Lifetime('sequence', () => this.free())
  private lengthInputs: { readonly last_index: Value<'i32'>; readonly total_length: Value<'i32'> } | undefined

  /** @param limit most positions the sequence may have */
  constructor(
    private readonly config: DecoderConfig,
    readonly limit: number,
    private readonly rotary: RotaryState = new RotaryState(config),
    private readonly ownsRotary = true,
  ) {}

  /** Rotary tables for a step that reaches `total` positions. */
  tables(total: number): { cos: Value; sin: Value } {
    return this.rotary.tables(this.capacity, total)
  }

  /** What attention reads of the lengths, for a step that reaches `total` entries; the same Values each time. */
  lengthsAt(total: number): Readonly<Record<'last_index' | 'total_length', Value<'i32'>>> {
    this.lengthInputs ??= { last_index: Value.zeros('i32', [1]), total_length: Value.zeros('i32', [1]) }
    this.lengthInputs.last_index.data[0] = total - 1
    this.lengthInputs.total_length.data[0] = total
    return this.lengthInputs
  }

  /** Positions that fit without growing. */
  get room(): number {
    return this.capacity - this.length
  }

  /** Memory that it takes. */
  get bytes(): number {
    return kvBytes(this.config, this.capacity)
  }

  /** Moves it into memory of its own. */
  bringOut(): void {
    this.moveTo(grown(0, this.length))
    this.home = undefined
  }

  /** Takes another buffer for one of its own, in the order of all layers' keys and then all values. */
  replace(buffer: number, value: Value<'f32'>): void {
    const { layers } = this.config
    const list = buffer < layers ? this.keys : this.values
    list[buffer % layers]?.dispose()
    list[buffer % layers] = value
  }

  /** @throws InputError for positions beyond the limit, DisposedError */
  checkRoom(positions: number): void {
    this.lifetime.check()
    if (positions <= this.limit) return
    throw new InputError(`the sequence would have ${positions} positions; this model's context is ${this.limit}`, {
      code: 'context_length_exceeded',
    })
  }

  /**
   * Makes room for `slots` entries, of which a sequence has `positions` one after the other: more than one entry may stand for
   * the same position while a sequence is branched. @throws InputError for positions beyond the limit
   */
  reserve(slots: number, positions = slots): void {
    this.checkRoom(positions)
    if (slots <= this.capacity) return
    const wanted = grown(this.capacity, slots)
    if (this.home) this.home.grow(slots)
    else this.moveTo(slots > this.limit ? wanted : Math.min(this.limit, wanted))
  }

  /** Layer by layer, so that there are never two of all. */
  private moveTo(capacity: number): void {
    const { layers, kvHeads, headDim } = this.config
    for (let i = 0; i < 2 * layers; i++) {
      const to = Value.zeros('f32', [1, kvHeads, capacity, cacheWidth(headDim)])
      const from = i < layers ? this.keys[i] : this.values[i - layers]
      if (from) copyPositions(from.data, to.data, this.config, this.length)
      this.replace(i, to)
    }
    this.capacity = capacity
  }

  /** Takes over the first `positions` of another sequence's; it must be empty, and have room for them. */
  copyFrom(other: KvCache, positions: number): void {
    other.lifetime.check()
    const to = [...this.keys, ...this.values]
    for (const [i, { data }] of [...other.keys, ...other.values].entries())
      copyPositions(data, (to[i] as Value<'f32'>).data, this.config, positions)
    this.length = positions
  }

  /** Keeps the first `first` entries and, behind them, those at `slots` (ascending). */
  compact(first: number, slots: readonly number[]): void {
    const { kvHeads, headDim } = this.config
    const width = cacheWidth(headDim)
    for (const { data } of [...this.keys, ...this.values]) {
      for (let head = 0; head < kvHeads; head++) {
        const start = head * this.capacity
        slots.forEach((slot, i) => {
          data.copyWithin((start + first + i) * width, (start + slot) * width, (start + slot + 1) * width)
        })
      }
    }
    this.length = first + slots.length
  }

  /** Returns a function that rolls the cache back to its present length. */
  snapshot(): Restore {
    const { length } = this
    const restoreRotary = this.rotary.snapshot()
    return () => {
      this.length = length
      restoreRotary()
    }
  }

  /** A layer's filled keys or values, [kvHeads, length, d]: without what the cache's width adds to each half of a head. */
  filled(which: 'keys' | 'values', layer: number): Float32Array {
    const { kvHeads, headDim } = this.config
    const { data } = this[which][layer] as Value<'f32'>
    const [half, wide] = [headDim / 2, cacheWidth(headDim) / 2]
    const [halves, stride] = [2 * this.length, 2 * this.capacity]
    const out = new Float32Array(kvHeads * halves * half)
    for (let head = 0; head < kvHeads; head++) {
      for (let i = 0; i < halves; i++) {
        const at = (head * stride + i) * wide
        out.set(data.subarray(at, at + half), (head * halves + i) * half)
      }
    }
    return out
  }

  dispose(): void {
    this.lifetime.end()
  }

  private free(): void {
    this.home?.leave(this)
    for (const value of [...this.keys, ...this.values]) value.dispose()
    this.keys.length = 0
    this.values.length = 0
    this.capacity = 0
    for (const value of Object.values(this.lengthInputs ?? {})) value.dispose()
    this.lengthInputs = undefined
    if (this.ownsRotary) this.rotary.dispose()
  }
}
