/** AdamW with decoupled decay over flat arrays (SPEC 11.4b), with clipping by the global norm. */
import type { FlatParameters } from './flat-parameters.js'

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

/** 2-norm of all gradients together. */
export function gradientNorm(p: FlatParameters): number {
  const g = p.gradients
  let sum = 0
  for (let i = 0; i < g.length; i++) sum += (g[i] as number) * (g[i] as number)
  return Math.sqrt(sum)
}

/**
 * One update in place.
 * @param step 1 for the first update (bias correction)
 * @param rate learning rate of this step
 * @returns the gradients' norm before clipping; when it is not finite nothing is changed
 */
export function adamwStep(
  p: FlatParameters,
  rates: ReadonlyMap<string, TensorRates>,
  step: number,
  rate: number,
  options: AdamWOptions,
): number {
  const norm = gradientNorm(p)
  if (!Number.isFinite(norm)) return norm
  const clip = Math.min(1, options.maxNorm / (norm + 1e-6))
  const [b1, b2] = options.betas
  const correction1 = 1 - b1 ** step
  const correction2 = Math.sqrt(1 - b2 ** step)
  const { weights, gradients, firstMoment, secondMoment } = p
  const epsilon = options.epsilon * correction2
  for (const tensor of p.tensors) {
    const { lrScale, weightDecay } = rates.get(tensor.name) ?? { lrScale: 1, weightDecay: 0 }
    const r = rate * lrScale
    const keep = 1 - r * weightDecay
    // (r m / c1) / (sqrt(v) / c2 + eps) with c2 moved to the front, so that the loop has one division.
    const factor = (r * correction2) / correction1
    for (let i = tensor.offset, end = tensor.offset + tensor.length; i < end; i++) {
      const d = (gradients[i] as number) * clip
      const m = b1 * (firstMoment[i] as number) + (1 - b1) * d
      const v = b2 * (secondMoment[i] as number) + (1 - b2) * d * d
      firstMoment[i] = m
      secondMoment[i] = v
      weights[i] = (weights[i] as number) * keep - (factor * m) / (Math.sqrt(v) + epsilon)
    }
  }
  return norm
}
