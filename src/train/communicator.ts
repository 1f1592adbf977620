/** The processes that train together: what each is among them, and the sums that make their steps one. */

/** One process's view of the others. Every process makes the same calls in the same order. */
export interface Communicator {
  /** 0 to size - 1. Rank 0 writes metrics, states and the model. */
  readonly rank: number
  readonly size: number
  /** Replaces `x` by the sum over all processes, the same to the bit in each. */
  sum(x: Float32Array): Promise<void>
  /** Resolves once every process has called it. */
  barrier(): Promise<void>
}

/** A process by itself. */
export const alone: Communicator = { rank: 0, size: 1, sum: async () => {}, barrier: async () => {} }
