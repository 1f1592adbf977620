/**
 * Randomness without state that runs on: every generator is keyed by what it is for (seed, step, index, ...), so any draw
 * can be repeated alone and a resumed run sees what an unbroken one saw. 32-bit mixing, not for secrets.
 */

/** Mixes whole numbers into 32 well-spread bits. */
export function hash(...keys: readonly number[]): number {
  let h = 0x9e3779b9
  for (const key of keys) {
    // Numbers above 2^32 (samples of a long run) keep their high half.
    h = scramble(h ^ scramble(key >>> 0))
    h = (h + Math.imul(Math.floor(key / 2 ** 32), 0x85ebca6b) + 0x6d2b79f5) >>> 0
  }
  return scramble(h)
}

function scramble(value: number): number {
  let x = value >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
  return (x ^ (x >>> 15)) >>> 0
}

/** A short-lived stream of draws from one key. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** Uniform in [low, high). */
  between(low: number, high: number): number
  /** Whole number in [0, n). */
  below(n: number): number
  /** True with probability p. */
  chance(p: number): boolean
}

/** The draws that belong to `keys`; the same keys give the same draws. */
export function random(...keys: readonly number[]): Random {
  const base = hash(...keys)
  let counter = 0
  const next = (): number => scramble(base + Math.imul(++counter, 0x9e3779b9)) / 2 ** 32
  return {
    next,
    between: (low, high) => low + (high - low) * next(),
    below: (n) => Math.floor(next() * n),
    chance: (p) => next() < p,
  }
}

/**
 * Where `index` goes in a permutation of 0..size-1 that `keys` choose: a four-round Feistel network on the next power of
 * four, walked until it lands inside. No table, so an epoch over millions of records costs nothing to start.
 */
export function permute(index: number, size: number, ...keys: readonly number[]): number {
  if (size <= 1) return 0
  let half = 1
  while (4 ** half < size) half++
  const mask = 2 ** half - 1
  const key = hash(...keys)
  let value = index
  do {
    let left = value >>> half
    let right = value & mask
    for (let round = 0; round < 4; round++) {
      const mixed = left ^ (hash(key, round, right) & mask)
      left = right
      right = mixed
    }
    value = ((left << half) | right) >>> 0
  } while (value >= size)
  return value
}
