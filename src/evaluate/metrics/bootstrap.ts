/** Confidence intervals of scores that are no shares (F1, ratios), by resampling the items: Efron's percentile bootstrap. */
import { random } from '../../common/random.js'
import type { Interval } from './wilson.js'

const RESAMPLES = 1000

/**
 * 95 % interval of `statistic` over `items`: the middle 95 % of its values on resamples of the same size. The same items give the same
 * interval; resamples on which the statistic is not a number (no positive item) are left out. Without items nothing is known: 0 to 1.
 */
export function bootstrap<T>(items: readonly T[], statistic: (items: readonly T[]) => number): Interval {
  if (items.length === 0) return { low: 0, high: 1 }
  const draws = random(items.length, RESAMPLES)
  const values: number[] = []
  for (let i = 0; i < RESAMPLES; i++) {
    const value = statistic(items.map(() => items[draws.below(items.length)] as T))
    if (Number.isFinite(value)) values.push(value)
  }
  if (values.length === 0) return { low: 0, high: 1 }
  values.sort((a, b) => a - b)
  const at = (share: number): number => values[Math.round(share * (values.length - 1))] as number
  return { low: at(0.025), high: at(0.975) }
}
