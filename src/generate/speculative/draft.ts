/**
 * Drafts by a smaller model that reads the same prompt: its own greedy choices. It is asked again after every pass of the large model, so
 * it takes back what was rejected and reads what was chosen instead.
 */
import { InputError } from '../../common/errors.js'
import type { RewindableSequence } from '../../inference/sequence.js'
import type { XComposer } from '../../inference/xcomposer.js'
import { argmax } from '../processors.js'
import type { Proposer } from './speculative.js'

/** Most ids of a draft: each costs a pass of the smaller model. */
export const MAX_DRAFT_IDS = 4

/** @throws InputError if the draft model's vocabulary differs from the model's */
export function checkDraft(model: XComposer, draft: XComposer): void {
  const checkSame = (what: string, unit: string, size: (of: XComposer) => number): void => {
    const [drafted, wanted] = [size(draft), size(model)]
    if (drafted === wanted) return
    const sizes = `${drafted} and ${wanted} ${unit}`
    throw new InputError(`draft: ${draft.name} cannot guess for ${model.name}, whose ${what} is another (${sizes})`)
  }
  checkSame('tokenizer', 'pieces', ({ tokenizer }) => tokenizer.size)
  // Models pad their tables differently; an id that only one of them has would end the answer in the middle.
  checkSame('vocab_size', 'ids', ({ config }) => config.decoder.vocabularySize)
}

/**
 * @param sequence the smaller model's, with the prompt in it; it stays the caller's
 * @param limit most positions it may have: beyond it nothing is proposed
 */
export function draftProposer(sequence: RewindableSequence, limit = Number.POSITIVE_INFINITY): Proposer {
  const start = sequence.length
  const read: number[] = []
  return async (made, count) => {
    if (count < 1 || start + made.length + count > limit) return []
    let common = 0
    while (common < read.length && common < made.length - 1 && read[common] === made[common]) common++
    read.length = common
    sequence.rewind(start + common)
    const unread = made.slice(common)
    let logits = await sequence.append(unread)
    read.push(...unread)
    const draft: number[] = []
    for (;;) {
      const id = argmax(logits)
      draft.push(id)
      if (draft.length >= count) return draft
      logits = await sequence.append([id])
      read.push(id)
    }
  }
}
