/** AdamW with decoupled decay over flat arrays (SPEC 11.4b), with clipping by the global norm. */
import { XComposerError } from '../../common/errors.js'
import { CHUNK, type OptimiserMemory, optimiserMemory, optimiserTask, tasks } from './adamw-kernel.js'
import type { FlatParameters } from './flat-parameters.js'
import type { OptimizerPool } from './optimizer-pool.js'

/** Rates of one tensor: lr = step rate * lrScale, decay = weightDecay. */
export interface TensorRates {
  readonly lrScale: number
  readonly weightDecay: number
}

/** Settings that hold for all tensors. */
export interface AdamWOptions {
  readonly betas: readonly [number, number]
  readonly epsilon: number
  /** Gradients are scaled down to this 2-norm over all tensors together; Infinity = off. */
  readonly maxNorm: number
}

function runAlone(memory: OptimiserMemory, task: number): void {
  for (let chunk = 0; chunk < memory.sums.length; chunk++) {
    const begin = chunk * CHUNK
    optimiserTask(task, memory, chunk, begin, Math.min(begin + CHUNK, memory.weights.length))
  }
}

function fillRates(
  memory: OptimiserMemory,
  p: FlatParameters,
  rates: ReadonlyMap<string, TensorRates>,
  step: number,
  rate: number,
  options: AdamWOptions,
  gradientScale: number,
): void {
  const [b1, b2] = options.betas
  const correction1 = 1 - b1 ** step
  const correction2 = Math.sqrt(1 - b2 ** step)
  memory.scalars.set([gradientScale, b1, b2, options.epsilon * correction2])
  p.tensors.forEach(({ name, offset, length }, i) => {
    const { lrScale, weightDecay } = rates.get(name) ?? { lrScale: 1, weightDecay: 0 }
    const r = rate * lrScale
    // (r m / c1) / (sqrt(v) / c2 + eps) with c2 moved to the front, so that the loop has one division.
    memory.segments.set([offset, offset + length, (r * correction2) / correction1, 1 - r * weightDecay], 4 * i)
  })
}

/**
 * One update in place.
 * @param step 1 for the first update (bias correction)
 * @param rate learning rate of this step
 * @param divisor what the gradients are divided by first: the targets that they are a sum over
 * @param pool threads that share the work; the result is the same to the bit without it
 * @returns the gradients' norm before clipping; when it is not finite nothing is changed
 * @throws XComposerError when the pool was made for other parameters, or one of its threads failed
 */
export function adamwStep(
  p: FlatParameters,
  rates: ReadonlyMap<string, TensorRates>,
  step: number,
  rate: number,
  options: AdamWOptions,
  divisor: number,
  pool?: OptimizerPool,
): number {
  if (pool && pool.parameters !== p) throw new XComposerError('adamwStep: the pool was made for other parameters')
  const memory = pool?.memory ?? optimiserMemory(p)
  const run = (task: number) => (pool ? pool.run(task) : runAlone(memory, task))
  run(tasks.norm)
  const norm = Math.sqrt(memory.sums.reduce((a, b) => a + b, 0)) / divisor
  if (!Number.isFinite(norm)) return norm
  fillRates(memory, p, rates, step, rate, options, Math.min(1, options.maxNorm / (norm + 1e-6)) / divisor)
  run(tasks.update)
  return norm
}
