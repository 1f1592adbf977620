/** What every optimiser offers to a training run, and what it is told of a step. */

/** One optimiser step. Gradients stand in the flat parameters as sums over targets. */
export interface Update {
  /** 1 for the first update of a run. */
  readonly step: number
  /** What the schedule multiplies every learning rate with at this step. */
  readonly schedule: number
  /** Targets that the gradients are a sum over; they are divided by it. */
  readonly targets: number
}

/** Rates of one tensor: lr = learning rate * schedule * lrScale, decay = weightDecay. */
export interface TensorRates {
  readonly lrScale: number
  readonly weightDecay: number
}

/** An optimiser over one set of flat parameters; its memory between steps is in their slots. `dispose` once. */
export interface Optimizer {
  /** Names of the slots that it uses for a tensor: what a state must hold beside the weights. */
  slots(tensor: string): readonly string[]
  /**
   * One update of the weights in place.
   * @returns the 2-norm of the mean gradients before clipping; when it is not finite, nothing is changed
   */
  step(update: Update): Promise<number>
  dispose(): void
}
