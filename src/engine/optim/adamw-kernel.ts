/**
 * AdamW's arithmetic on one chunk of the flat arrays. Worker threads run these very functions from their source text, so
 * each refers to nothing outside itself; an element is computed the same way whoever computes it, and the norm is a sum
 * of one number per chunk: results do not depend on the number of threads.
 */
import type { FlatParameters } from './flat-parameters.js'

/** Elements of a chunk: about a millisecond of work. */
export const CHUNK = 65536

/** What a chunk's work reads and writes, all of it in shared memory. */
export interface OptimiserMemory {
  readonly weights: Float32Array
  readonly gradients: Float32Array
  readonly partGradients: readonly Float32Array[]
  readonly firstMoment: Float32Array
  readonly secondMoment: Float32Array
  /** [tensors, 4]: first element, end, factor of the update, what decay leaves of the weight. */
  readonly segments: Float64Array
  /** clip, beta 1, beta 2, epsilon. */
  readonly scalars: Float64Array
  /** Sum of the squared gradients of each chunk. */
  readonly sums: Float64Array
}

/** 'norm' fills `sums`; 'update' is the step itself; 'gather' adds the gradients of a batch's parts, always in the same order. */
export const tasks = { norm: 0, update: 1, gather: 2 } as const

/** Memory for the parameters' optimiser, made once and filled at each step. */
export function optimiserMemory(p: FlatParameters): OptimiserMemory {
  const { weights, gradients, partGradients, firstMoment, secondMoment } = p
  const shared = (length: number) => new Float64Array(new SharedArrayBuffer(8 * length))
  const segments = shared(4 * p.tensors.length)
  const sums = shared(Math.ceil(weights.length / CHUNK))
  return { weights, gradients, partGradients, firstMoment, secondMoment, segments, scalars: shared(4), sums }
}

/** Does one task on elements [begin, end), both multiples of 4. */
export function optimiserTask(task: number, memory: OptimiserMemory, chunk: number, begin: number, end: number): void {
  const g = memory.gradients
  if (task === 0) {
    // One sum would wait for each addition; four run side by side.
    let a = 0
    let b = 0
    let c = 0
    let d = 0
    for (let i = begin; i < end; i += 4) {
      a += (g[i] as number) ** 2
      b += (g[i + 1] as number) ** 2
      c += (g[i + 2] as number) ** 2
      d += (g[i + 3] as number) ** 2
    }
    memory.sums[chunk] = a + b + (c + d)
    return
  }
  if (task === 2) {
    for (const part of memory.partGradients) {
      for (let i = begin; i < end; i++) g[i] = (g[i] as number) + (part[i] as number)
    }
    return
  }
  const { weights, firstMoment, secondMoment, segments } = memory
  const [clip, b1, b2, epsilon] = memory.scalars as unknown as [number, number, number, number]
  for (let s = 0; s < segments.length; s += 4) {
    const from = Math.max(begin, segments[s] as number)
    const to = Math.min(end, segments[s + 1] as number)
    const factor = segments[s + 2] as number
    const keep = segments[s + 3] as number
    for (let i = from; i < to; i++) {
      const d = (g[i] as number) * clip
      const m = b1 * (firstMoment[i] as number) + (1 - b1) * d
      const v = b2 * (secondMoment[i] as number) + (1 - b2) * d * d
      firstMoment[i] = m
      secondMoment[i] = v
      weights[i] = (weights[i] as number) * keep - (factor * m) / (Math.sqrt(v) + epsilon)
    }
  }
}
