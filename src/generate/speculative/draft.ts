/**
 * Guesses from a smaller model that reads the same prompt: its own greedy choices. It is asked again after every step, so it takes
 * back what the large model did not choose and reads what it chose instead.
 */
import { InputError } from '../../common/errors.js'
import type { RewindableSequence } from '../../inference/sequence.js'
import type { XComposer } from '../../inference/xcomposer.js'
import { argmax } from '../processors.js'
import type { Proposer } from './speculative.js'

/** Ids that a smaller model guesses at once: each costs a step of it. */
export const DRAFT_IDS = 4

/** Throws InputError where the ids of `draft` are not those of `model`, so that it cannot guess them. */
export function checkDraft(model: XComposer, draft: XComposer): void {
  const checkSame = (what: string, unit: string, size: (of: XComposer) => number): void => {
    const [guessed, wanted] = [size(draft), size(model)]
    if (guessed === wanted) return
    const sizes = `${guessed} and ${wanted} ${unit}`
    throw new InputError(`draft: ${draft.name} cannot guess for ${model.name}, whose ${what} is another (${sizes})`)
  }
  checkSame('tokenizer', 'pieces', ({ tokenizer }) => tokenizer.size)
  // Models pad their tables differently; an id that only one of them has would end the answer in the middle.
  checkSame('vocab_size', 'ids', ({ config }) => config.decoder.vocabularySize)
}

/**
 * @param sequence the smaller model's, with the prompt in it; it stays the caller's
 * @param limit most positions it may have: beyond it nothing is guessed
 */
export function draftProposer(sequence: RewindableSequence, limit = Number.POSITIVE_INFINITY): Proposer {
  const start = sequence.length
  const fed: number[] = []
  return async (made, most) => {
    if (most < 1 || start + made.length + most > limit) return []
    let common = 0
    while (common < fed.length && common < made.length - 1 && fed[common] === made[common]) common++
    fed.length = common
    sequence.rewind(start + common)
    const unread = made.slice(common)
    let logits = await sequence.append(unread)
    fed.push(...unread)
    const proposer: number[] = []
    for (;;) {
      const id = argmax(logits)
      proposer.push(id)
      if (proposer.length >= most) return proposer
      logits = await sequence.append([id])
      fed.push(id)
    }
  }
}
