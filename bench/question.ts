/**
 * One question about one picture through the functions that `chat` is made of, with two differences that measuring needs: it does not
 * stop before the wanted number of tokens, and it leaves no sequence behind for the next question to begin with.
 */

import { chat } from '../src/chat/chat.js'
import { encodeMessageImages } from '../src/chat/images.js'
import { XComposerError } from '../src/common/errors.js'
import { generate } from '../src/generate/generate.js'
import type { XComposer } from '../src/inference/xcomposer.js'
import { imageTokens } from '../src/model/image-rows.js'
import { chatPrompt, type PromptPart } from '../src/text/prompt.js'

const QUESTION = 'What is in the picture?'

/** A measured answer. */
export interface Answered {
  readonly ids: readonly number[]
  /** From the question to the first token. */
  readonly firstMs: number
  /** From the first token to the last. */
  readonly decodeMs: number
}

/** The prompt of the question, its picture included. */
export function questionParts(model: XComposer): readonly PromptPart[] {
  const content = [
    { type: 'image' as const, image: 0 },
    { type: 'text' as const, text: QUESTION },
  ]
  const options = {
    images: 1,
    imageTokens: imageTokens(model.config),
    maxLength: model.contextLength - 1,
    bos: model.config.promptBos,
  }
  return chatPrompt(model.tokenizer, { user: content }, options).parts
}

/** Answers with exactly `newTokens` tokens. */
export async function askPicture(model: XComposer, file: string, newTokens: number): Promise<Answered> {
  const began = performance.now()
  const features = await encodeMessageImages(model, [{ file }])
  const { logits, sequence } = await model.prefill(questionParts(model), features)
  try {
    const ids: number[] = []
    let first = began
    for await (const token of generate(logits, sequence, { maxNewTokens: newTokens })) {
      if (ids.length === 0) first = performance.now()
      ids.push(token.id)
    }
    return { ids, firstMs: first - began, decodeMs: performance.now() - first }
  } finally {
    sequence.dispose()
  }
}

/** @throws XComposerError unless `chat` itself answers with the same tokens, as far as it goes */
export async function checkAgainstChat(model: XComposer, file: string, answered: Answered): Promise<void> {
  const content = [
    { type: 'image' as const, image: { file } },
    { type: 'text' as const, text: QUESTION },
  ]
  const { ids } = await chat(model, [{ role: 'user', content }], { maxNewTokens: answered.ids.length }).result
  const parted = ids.findIndex((id, i) => id !== answered.ids[i])
  if (parted >= 0) throw new XComposerError(`bench: token ${parted + 1} is not the one that chat chooses; no speed is reported`)
}
