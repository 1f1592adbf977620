/**
 * Trainable parameters as flat arrays: weights, gradients and whatever slots the optimiser keeps (moments, momentum), one Float32Array
 * each. The graph reads and writes views of them in place; the optimiser is one loop over them, because as graph operators it is
 * bound by memory. The memory is shared, so that threads can divide that loop.
 */
import { Value } from '../runtime/value.js'

/** One tensor's place in the flat arrays. */
export interface FlatTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly offset: number
  readonly length: number
}

/** Views start at multiples of 64 bytes. */
const ALIGN = 16

/** The flat arrays and the engine's views of them; `dispose` releases the views. */
export class FlatParameters {
  readonly tensors: readonly FlatTensor[]
  private readonly length: number
  readonly weights: Float32Array
  readonly gradients: Float32Array
  /** What optimisers remember between steps, by name, laid out as the weights are. */
  readonly slots = new Map<string, Float32Array>()
  readonly weightValues: ReadonlyMap<string, Value>
  readonly gradientValues: ReadonlyMap<string, Value>
  /** Further gradient arrays, for parts of a batch that are computed side by side and then added to `gradients`. */
  readonly partGradients: readonly Float32Array[]
  readonly partGradientValues: readonly ReadonlyMap<string, Value>[]

  /** @param parts how many gradient arrays there are in all */
  constructor(specs: readonly { readonly name: string; readonly shape: readonly number[] }[], parts = 1) {
    let offset = 0
    this.tensors = specs.map(({ name, shape }) => {
      const length = shape.reduce((a, b) => a * b, 1)
      const tensor = { name, shape, offset, length }
      offset = Math.ceil((offset + length) / ALIGN) * ALIGN
      return tensor
    })
    this.length = offset
    this.weights = sharedFloats(offset)
    this.gradients = sharedFloats(offset)
    const views = (flat: Float32Array) =>
      new Map(this.tensors.map((t) => [t.name, Value.of('f32', t.shape, flat.subarray(t.offset, t.offset + t.length)) as Value]))
    this.weightValues = views(this.weights)
    this.gradientValues = views(this.gradients)
    this.partGradients = Array.from({ length: parts - 1 }, () => sharedFloats(offset))
    this.partGradientValues = this.partGradients.map(views)
  }

  /** The slot of that name, made of zeros when it is first asked for. Memory is taken only where something is written. */
  slot(name: string): Float32Array {
    const known = this.slots.get(name)
    if (known) return known
    const made = sharedFloats(this.length)
    this.slots.set(name, made)
    return made
  }

  /** The part of a flat array that belongs to one tensor. */
  view(flat: Float32Array, t: FlatTensor): Float32Array {
    return flat.subarray(t.offset, t.offset + t.length)
  }

  dispose(): void {
    for (const values of [this.weightValues, this.gradientValues, ...this.partGradientValues])
      for (const value of values.values()) value.dispose()
  }
}

function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(4 * length))
}
