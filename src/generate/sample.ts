/**
 * Seeded random numbers and the draw of an id: the same seed gives the same text on every machine. The generator is
 * xoshiro128** (Blackman and Vigna), seeded through splitmix32 so that neighbouring seeds have nothing in common.
 */
import { InputError } from '../common/errors.js'
import type { Distribution } from './processors.js'

/** A stream of random numbers. `state` restores it exactly (a training run that resumes needs that). */
export interface Random {
  /** Uniform in [0, 1), 53 bits. */
  next(): number
  /** Uniform whole number in [0, n). */
  below(n: number): number
  /** Four 32-bit words. */
  state(): readonly number[]
}

/** A stream from a seed (a safe whole number >= 0) or from a saved state. Throws InputError for anything else. */
export function createRandom(seed: number | readonly number[]): Random {
  const s = typeof seed === 'number' ? seedState(seed) : Uint32Array.from(seed)
  if (s.length !== 4 || s.every((word) => word === 0))
    throw new InputError(`random state: expected four words, not all zero, got [${[...s]}]`)
  const word = (): number => {
    const [a, b, c, d] = s as unknown as [number, number, number, number]
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0
    const mixed = c ^ a
    const last = d ^ b
    s[0] = a ^ last
    s[1] = b ^ mixed
    s[2] = mixed ^ (b << 9)
    s[3] = rotate(last, 11)
    return result
  }
  const next = (): number => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53
  return { next, below: (n) => Math.floor(next() * n), state: () => [...s] }
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function seedState(seed: number): Uint32Array {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new InputError(`seed: got ${seed}, expected a whole number from 0 to 2^53 - 1`)
  const mixHigh = mixer(Math.floor(seed / 2 ** 32))
  const mixLow = mixer((seed >>> 0) ^ mixHigh())
  return Uint32Array.from({ length: 4 }, mixLow)
}

/** splitmix32: a counter with a golden-ratio step, hashed. */
function mixer(start: number): () => number {
  let counter = start
  return () => {
    counter = (counter + 0x9e3779b9) | 0
    let z = Math.imul(counter ^ (counter >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
}

/** One id drawn from a distribution, by inverting its cumulative sum. */
export function draw({ ids, probs }: Distribution, random: Random): number {
  let left = random.next()
  for (const [i, p] of probs.entries()) {
    left -= p
    if (left < 0) return ids[i] as number
  }
  // The sum of the rounded probabilities may fall short of the drawn number by an ulp.
  return ids[probs.findLastIndex((p) => p > 0)] as number
}
