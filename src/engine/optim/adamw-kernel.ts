/**
 * AdamW's arithmetic on one chunk of the flat arrays. Worker threads run these very functions from their source text, so
 * each refers to nothing outside itself (names of tasks come with the memory); an element is computed the same way whoever
 * computes it, and the norm is a sum of one number per chunk: results do not depend on the number of threads.
 */
import type { FlatParameters } from './flat-parameters.js'

/** Elements of a chunk: about a millisecond of work. */
export const CHUNK = 65536

/** 'norm' fills `sums`; 'update' is the step itself; 'gather' adds the gradients of a batch's parts, always in the same order. */
export const tasks = { norm: 0, update: 1, gather: 2 } as const

/** What a chunk's work reads and writes, all of it in shared memory. */
export interface OptimiserMemory {
  readonly tasks: typeof tasks
  readonly weights: Float32Array
  readonly gradients: Float32Array
  readonly partGradients: readonly Float32Array[]
  readonly firstMoment: Float32Array
  readonly secondMoment: Float32Array
  /** One for each tensor, by its place among the parameters. */
  readonly segments: Segments
  /** Gradient scale, beta 1, beta 2, epsilon. */
  readonly scalars: Float64Array
  /** Sum of the squared gradients of each chunk. */
  readonly sums: Float64Array
}

/** What the update does to each tensor, by its place among the parameters. */
export interface Segments {
  /** First element, and the one after the last; equal where the update leaves the tensor alone. */
  readonly begin: Float64Array
  readonly end: Float64Array
  /** Of first moment / sqrt(second moment). */
  readonly factor: Float64Array
  /** What weight decay leaves of a weight. */
  readonly kept: Float64Array
}

/** Memory for the parameters' optimiser, made once and filled at each step. */
export function optimiserMemory(p: FlatParameters): OptimiserMemory {
  const { weights, gradients, partGradients } = p
  const shared = (length: number) => new Float64Array(new SharedArrayBuffer(8 * length))
  const each = () => shared(p.tensors.length)
  return {
    tasks,
    weights,
    gradients,
    partGradients,
    firstMoment: p.slot('firstMoment'),
    secondMoment: p.slot('secondMoment'),
    segments: { begin: each(), end: each(), factor: each(), kept: each() },
    scalars: shared(4),
    sums: shared(Math.ceil(weights.length / CHUNK)),
  }
}

/** Does one task on elements [begin, end), both multiples of 4. */
export function optimiserTask(task: number, memory: OptimiserMemory, chunk: number, begin: number, end: number): void {
  const g = memory.gradients
  if (task === memory.tasks.norm) {
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
  if (task === memory.tasks.gather) {
    for (const part of memory.partGradients) {
      for (let i = begin; i < end; i++) g[i] = (g[i] as number) + (part[i] as number)
    }
    return
  }
  const { weights, firstMoment, secondMoment, segments } = memory
  const [scale, b1, b2, epsilon] = memory.scalars as unknown as [number, number, number, number]
  for (let s = 0; s < segments.begin.length; s++) {
    const from = Math.max(begin, segments.begin[s] as number)
    const to = Math.min(end, segments.end[s] as number)
    const factor = segments.factor[s] as number
    const kept = segments.kept[s] as number
    for (let i = from; i < to; i++) {
      const d = (g[i] as number) * scale
      const m = b1 * (firstMoment[i] as number) + (1 - b1) * d
      const v = b2 * (secondMoment[i] as number) + (1 - b2) * d * d
      firstMoment[i] = m
      secondMoment[i] = v
      weights[i] = (weights[i] as number) * kept - (factor * m) / (Math.sqrt(v) + epsilon)
    }
  }
}
