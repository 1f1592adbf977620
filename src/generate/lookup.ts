/**
 * Greedy decoding that guesses ahead: what followed the last few ids when they stood earlier, in the prompt or the answer, is
 * tried several ids at once, and kept as far as it is what greedy decoding chooses anyway. The ids are those of `generate`; only where
 * two logits are equal to the last bits may the engine's other order of sums decide otherwise. It pays off where answers quote.
 */
import type { RewindableSequence } from '../model/sequence.js'
import { checkMaxNewTokens, GeneratedToken, type GenerateEnd, type GenerateOptions } from './generate.js'
import { argmax, penalized } from './processors.js'

export interface LookupOptions extends Omit<GenerateOptions, 'sampling'> {
  /** The prompt's ids, to look in; a negative number where a picture stands. */
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
      const picture = found.findIndex((id) => id < 0)
      return picture < 0 ? found : found.slice(0, picture)
    }
  }
  return []
}

/**
 * As `generate` without sampling: same options, same yields, and the sequence ends one id short of what was yielded. Throws InputError
 * for options out of range.
 */
export async function* generateWithLookup(
  first: Float32Array,
  sequence: RewindableSequence,
  options: LookupOptions,
): AsyncGenerator<GeneratedToken, GenerateEnd, void> {
  const { maxNewTokens, repetitionPenalty = 1, contextIds = [], signal } = options
  checkMaxNewTokens(maxNewTokens)
  const stops = new Set(options.stopIds)
  const context = new Set(contextIds)
  const history = [...options.promptIds]
  const choose = (logits: Float32Array): number => argmax(penalized(logits, context, repetitionPenalty))
  let logits = first
  for (let made = 0; ; ) {
    signal?.throwIfAborted()
    const id = choose(logits)
    if (stops.has(id)) return { reason: 'stop', stopId: id }
    yield new GeneratedToken(id, logits)
    if (++made === maxNewTokens) return { reason: 'length' }
    context.add(id)
    history.push(id)
    signal?.throwIfAborted()
    const guess = propose(history, Math.min(MOST, maxNewTokens - made))
    const before = sequence.length
    const all = await sequence.appendAll([id, ...guess])
    logits = all[0] as Float32Array
    let right = 0
    for (; right < guess.length; right++) {
      const next = choose(logits)
      if (next !== guess[right] || stops.has(next)) break
      yield new GeneratedToken(next, logits)
      if (++made === maxNewTokens) {
        sequence.rewind(before + 1 + right)
        return { reason: 'length' }
      }
      context.add(next)
      history.push(next)
      logits = all[right + 1] as Float32Array
    }
    sequence.rewind(before + 1 + right)
  }
}
