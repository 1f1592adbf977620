/**
 * Prompt lookup decoding (Saxena 2023): the draft is what followed the last few ids when they stood earlier, in the prompt or the answer. It
 * costs nothing but the wider passes, and pays off where answers quote.
 */
import type { RewindableSequence } from '../../inference/sequence.js'
import type { GeneratedToken, GenerateEnd, GenerateOptions } from '../generate.js'
import { generateSpeculatively } from './speculative.js'

export interface LookupOptions extends Omit<GenerateOptions, 'sampling'> {
  /** The prompt's ids, to look in; a negative number where an image stands. */
  readonly promptIds: readonly number[]
}

/** Most ids of a draft. */
const MAX_DRAFT = 8
/** N-grams that must repeat before what followed them is proposed. */
const LONGEST_NGRAM = 3
const SHORTEST_NGRAM = 2

/** What followed the last ids at their latest earlier place, at most `count` ids; the longest repeated n-gram decides. */
export function promptLookup(ids: readonly number[], count = MAX_DRAFT): number[] {
  for (let length = LONGEST_NGRAM; length >= SHORTEST_NGRAM; length--) {
    const tail = ids.length - length
    for (let start = tail - 1; start >= 0; start--) {
      let same = 0
      while (same < length && ids[start + same] === ids[tail + same]) same++
      if (same < length) continue
      const found = ids.slice(start + length, start + length + count)
      const image = found.findIndex((id) => id < 0)
      return image < 0 ? found : found.slice(0, image)
    }
  }
  return []
}

/** Speculative decoding with drafts from the prompt and the answer so far. */
export function generateWithLookup(
  first: Float32Array,
  sequence: RewindableSequence,
  options: LookupOptions,
): AsyncGenerator<GeneratedToken, GenerateEnd, void> {
  const proposer = async (made: readonly number[], count: number) => promptLookup([...options.promptIds, ...made], count)
  return generateSpeculatively(first, sequence, { ...options, proposer, maxDraft: MAX_DRAFT })
}
