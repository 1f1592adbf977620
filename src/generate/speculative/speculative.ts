/**
 * Speculative decoding for greedy answers (Leviathan et al. 2023, with a deterministic draft): a proposer names ids that may come next, one
 * pass of the model verifies them all, and they are accepted as far as they are what greedy decoding chooses. The ids are those of
 * `generate` as far as a pass over several positions gives the logits of a pass over one: in floats to the last bits; in blocks of 4 or
 * 8 bits, where activations are rounded, near ties can be decided otherwise. Proposers: prompt-lookup.ts and draft.ts.
 */
import type { RewindableSequence } from '../../inference/sequence.js'
import { checkMaxNewTokens, GeneratedToken, type GenerateEnd, type GenerateOptions } from '../generate.js'
import { TokenChooser } from '../token-chooser.js'

/** Proposes a draft: ids that may follow the new ids `made`, at most `count` of them. */
export type Proposer = (made: readonly number[], count: number) => Promise<readonly number[]>

export interface SpeculativeOptions extends Omit<GenerateOptions, 'sampling'> {
  readonly proposer: Proposer
  /** Most ids of a draft. Drafts are shorter after a rejected id, since a wider pass costs more. */
  readonly maxDraft: number
}

/**
 * As `generate` without sampling: same options, same yields, and the sequence ends one id short of what was yielded. Throws InputError
 * for options out of range.
 */
export async function* generateSpeculatively(
  first: Float32Array,
  sequence: RewindableSequence,
  options: SpeculativeOptions,
): AsyncGenerator<GeneratedToken, GenerateEnd, void> {
  const { maxNewTokens, maxDraft, proposer, signal } = options
  checkMaxNewTokens(maxNewTokens)
  const chooser = new TokenChooser(options)
  const made: number[] = []
  let logits = first
  signal?.throwIfAborted()
  let choice = chooser.next(logits)
  let width = Math.ceil(maxDraft / 2)
  for (;;) {
    const { id } = choice
    if (choice.stops) return { reason: 'stop', stopId: id }
    yield new GeneratedToken(id, logits)
    made.push(id)
    if (made.length === maxNewTokens) return { reason: 'length' }
    signal?.throwIfAborted()
    const draft = await proposer(made, Math.min(width, maxNewTokens - made.length))
    const before = sequence.length
    const verified = await sequence.appendAll([id, ...draft])
    signal?.throwIfAborted()
    let accepted = 0
    for (; ; accepted++) {
      logits = verified[accepted] as Float32Array
      choice = chooser.next(logits)
      if (choice.stops || choice.id !== draft[accepted]) break
      yield new GeneratedToken(choice.id, logits)
      made.push(choice.id)
      if (made.length === maxNewTokens) {
        sequence.rewind(before + 1 + accepted)
        return { reason: 'length' }
      }
    }
    sequence.rewind(before + 1 + accepted)
    if (draft.length > 0) width = accepted === draft.length ? Math.min(maxDraft, 2 * width) : accepted + 1
  }
}
