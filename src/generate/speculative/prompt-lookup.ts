/**
 * Guesses by looking back: what followed the last few ids when they stood earlier, in the prompt or the answer. It costs nothing but
 * the wider steps, and pays off where answers quote.
 */
import type { RewindableSequence } from '../../inference/sequence.js'
import type { GeneratedToken, GenerateEnd, GenerateOptions } from '../generate.js'
import { generateSpeculatively } from './speculative.js'

export interface LookupOptions extends Omit<GenerateOptions, 'sampling'> {
  /** The prompt's ids, to look in; a negative number where an image stands. */
  readonly promptIds: readonly number[]
}

/** Ids tried at once. */
const MOST = 8
/** Ids that must repeat before what followed them is tried. */
const LONGEST = 3
const SHORTEST = 2

/**
 * What followed the last ids at their latest earlier place, at most `most` ids; the longest run of repeated ids decides.
 */
export function propose(ids: readonly number[], most = MOST): number[] {
  for (let length = LONGEST; length >= SHORTEST; length--) {
    const tail = ids.length - length
    for (let start = tail - 1; start >= 0; start--) {
      let same = 0
      while (same < length && ids[start + same] === ids[tail + same]) same++
      if (same < length) continue
      const found = ids.slice(start + length, start + length + most)
      const image = found.findIndex((id) => id < 0)
      return image < 0 ? found : found.slice(0, image)
    }
  }
  return []
}

/** generateAhead with guesses from the prompt and the answer so far. */
export function generateWithLookup(
  first: Float32Array,
  sequence: RewindableSequence,
  options: LookupOptions,
): AsyncGenerator<GeneratedToken, GenerateEnd, void> {
  const proposer = async (made: readonly number[], most: number) => propose([...options.promptIds, ...made], most)
  return generateSpeculatively(first, sequence, { ...options, proposer, most: MOST })
}
