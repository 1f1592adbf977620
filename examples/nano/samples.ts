// From questions with answers to samples of the trainer.
import type { DrawnQuestion } from '../../src/data/drawn.js'
import type { Random } from './random.js'
import type { Qa } from './records.js'

/** Questions as the trainer takes them. */
export function asked(turns: readonly Qa[]): DrawnQuestion[] {
  return turns.map(({ q, a }) => ({ question: q, answer: a }))
}

/** Each text once, sorted: what labels may be. */
export function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort()
}

/** The same question in either language. */
export function either(both: readonly [Qa, Qa], rng: Random): Qa {
  return both[rng.chance(0.5) ? 0 : 1]
}

/** The wording of the evaluation six times out of ten, another one otherwise. */
export function wording(list: readonly string[], rng: Random): string {
  return rng.chance(0.6) ? list[0]! : rng.pick(list)
}
