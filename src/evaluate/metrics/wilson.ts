/** The 95 % confidence interval of a proportion, by Wilson's score method: honest also for few questions and for 0 or 100 %. */

/** 97.5 % quantile of the normal distribution. */
const Z = 1.959963984540054

export interface Interval {
  readonly low: number
  readonly high: number
}

/** Interval of `right` out of `n`, as fractions. With n = 0 nothing is known: 0 to 1. */
export function wilson(right: number, n: number): Interval {
  if (n === 0) return { low: 0, high: 1 }
  const p = right / n
  const centre = (p + (Z * Z) / (2 * n)) / (1 + (Z * Z) / n)
  const half = (Z / (1 + (Z * Z) / n)) * Math.sqrt((p * (1 - p)) / n + (Z * Z) / (4 * n * n))
  // At the ends rounding may put the bound a hair inside of p itself.
  return { low: right === 0 ? 0 : Math.max(0, centre - half), high: right === n ? 1 : Math.min(1, centre + half) }
}
