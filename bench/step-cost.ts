/** What one pass over m positions costs beside a pass over one: what the engine makes of guessing ahead, whatever is guessed. */
import type { Prefilled } from '../src/inference/xcomposer.js'
import { digits, median } from './samples.js'

/** Positions of a pass: 9 are one id and eight guesses, the most that are tried. */
const SIZES = [1, 2, 4, 8, 9] as const

export interface StepCost {
  readonly positions: number
  readonly ms: number
  /** Time of this pass / time of a pass over one position. */
  readonly cost: number
  /** Tokens a second beside plain decoding, were every guess right: positions / cost. */
  readonly most: number
}

/** Medians over `rounds` rounds through all sizes, behind the same prompt. */
export async function stepCosts(prompt: Prefilled, rounds: number): Promise<StepCost[]> {
  const { sequence } = prompt
  const { length } = sequence
  const times = SIZES.map((): number[] => [])
  try {
    // The first round, which makes room and plans, does not count.
    for (let round = 0; round <= rounds; round++) {
      for (const [i, size] of SIZES.entries()) {
        const ids = Array.from({ length: size }, (_, k) => 260 + k)
        const start = performance.now()
        await sequence.appendAll(ids)
        if (round > 0) times[i]?.push(performance.now() - start)
        sequence.rewind(length)
      }
    }
  } finally {
    sequence.rewind(length)
  }
  return costTable(SIZES.map((positions, i) => ({ positions, ms: median(times[i] ?? []) })))
}

/** Times beside the first of them. */
export function costTable(times: readonly { readonly positions: number; readonly ms: number }[]): StepCost[] {
  const one = times[0]?.ms ?? 0
  return times.map(({ positions, ms }) => ({
    positions,
    ms: digits(ms),
    cost: digits(ms / one),
    most: digits((positions * one) / ms),
  }))
}
