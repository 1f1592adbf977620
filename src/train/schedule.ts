/** The learning rate over a run: linear warm-up, then a cosine to zero (SPEC section 11.4b). It knows nothing of optimisers. */

/** Warm-up steps of a run. */
export function warmupSteps(ratio: number, total: number): number {
  return Math.ceil(ratio * total)
}

/**
 * What the base rate is multiplied by at optimiser step `step`, the 0-based count of finished steps. The very first update of a run
 * with warm-up therefore has rate 0, as in the reference trainer; from `total` on it is 0.
 */
export function scheduleFactor(step: number, warmup: number, total: number): number {
  if (step < warmup) return step / warmup
  if (step >= total) return 0
  return Math.max(0, 0.5 * (1 + Math.cos((Math.PI * (step - warmup)) / (total - warmup))))
}
