// Seeded choice for the nano data: the same seed gives the same corpora on every machine.
// CRC-32 decides what is held out, so that anyone can recompute the split from the names alone.
import { crc32 as zlibCrc32 } from 'node:zlib'

/** CRC-32 (IEEE) of the UTF-8 bytes. */
export function crc32(text: string): number {
  return zlibCrc32(text)
}

/** A small seeded generator (mulberry32). */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** Integer in [low, high], both inclusive. */
  int(low: number, high: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[]
  /** `count` different items (fewer when there are fewer). */
  sample<T>(items: readonly T[], count: number): T[]
}

/** @param seed a name; different names give independent streams. */
export function random(seed: string): Random {
  let state = crc32(seed)
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const int = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1))
  const pick = <T>(items: readonly T[]): T => {
    if (items.length === 0) throw new RangeError('pick from an empty list')
    return items[int(0, items.length - 1)] as T
  }
  const shuffle = <T>(items: readonly T[]): T[] => {
    const out = [...items]
    for (let i = out.length - 1; i > 0; i--) {
      const j = int(0, i)
      const t = out[i] as T
      out[i] = out[j] as T
      out[j] = t
    }
    return out
  }
  const sample = <T>(items: readonly T[], count: number): T[] => shuffle(items).slice(0, count)
  return { next, int, chance: (p) => next() < p, pick, shuffle, sample }
}
