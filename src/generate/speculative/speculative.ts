/**
 * Greedy decoding that guesses ahead: ids that may come next are tried several at once, and kept as far as they are what greedy
 * decoding chooses anyway. The ids are those of `generate` as far as a pass over several positions gives the logits of a pass over one: in
 * floats to the last bits; in blocks of 4 or 8 bits, where activations are rounded, near ties can be decided otherwise. Where guesses come from is the caller's business: the prompt (prompt-lookup.ts) or a smaller model (draft.ts).
 */
import type { RewindableSequence } from '../../inference/sequence.js'
import { checkMaxNewTokens, GeneratedToken, type GenerateEnd, type GenerateOptions } from '../generate.js'
import { argmax, penalized } from '../processors.js'

/** Says which ids may follow the new ids `made`; at most `most` of them. */
export type Proposer = (made: readonly number[], most: number) => Promise<readonly number[]>

export interface SpeculativeOptions extends Omit<GenerateOptions, 'sampling'> {
  readonly proposer: Proposer
  /** Most ids tried at once. Fewer are tried after a wrong guess, since a wider pass costs more. */
  readonly most: number
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
  const { maxNewTokens, repetitionPenalty = 1, contextIds = [], signal } = options
  checkMaxNewTokens(maxNewTokens)
  const stops = new Set(options.stopIds)
  const context = new Set(contextIds)
  const made: number[] = []
  const choose = (logits: Float32Array): number => argmax(penalized(logits, context, repetitionPenalty))
  let logits = first
  let width = Math.ceil(options.most / 2)
  for (;;) {
    signal?.throwIfAborted()
    const id = choose(logits)
    if (stops.has(id)) return { reason: 'stop', stopId: id }
    yield new GeneratedToken(id, logits)
    made.push(id)
    if (made.length === maxNewTokens) return { reason: 'length' }
    context.add(id)
    signal?.throwIfAborted()
    const proposer = await options.proposer(made, Math.min(width, maxNewTokens - made.length))
    const before = sequence.length
    const all = await sequence.appendAll([id, ...proposer])
    logits = all[0] as Float32Array
    let right = 0
    for (; right < proposer.length; right++) {
      const next = choose(logits)
      if (next !== proposer[right] || stops.has(next)) break
      yield new GeneratedToken(next, logits)
      made.push(next)
      if (made.length === maxNewTokens) {
        sequence.rewind(before + 1 + right)
        return { reason: 'length' }
      }
      context.add(next)
      logits = all[right + 1] as Float32Array
    }
    sequence.rewind(before + 1 + right)
    if (proposer.length > 0) width = right === proposer.length ? Math.min(options.most, 2 * width) : right + 1
  }
}
