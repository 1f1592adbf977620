/** The real model behind the composition steps: prompts in the composition layout, the front cut where a prompt is too long. */

import { ChatAnswer } from '../chat/answer.js'
import { continuePrompt } from '../chat/continue.js'
import { encodeOpened, openImages } from '../chat/images.js'
import type { ChatResult } from '../chat/result.js'
import type { AbortCheck } from '../common/abort.js'
import type { XComposer } from '../inference/xcomposer.js'
import { compositionPrompt, type PromptPart } from '../text/prompt.js'
import type { CompleteOptions, ComposePrompt, ComposerModel } from './prompt.js'

/** Positions kept free for the answer where a prompt has to be cut. */
const ANSWER_ROOM = 64

/** A ComposerModel on a loaded model; the model stays the caller's. */
export function composerModel(model: XComposer): ComposerModel {
  return {
    async complete(prompt, options) {
      const { text } = await new ChatAnswer((check) => complete(model, prompt, options, check), options.signal).result
      return text
    },
  }
}

async function* complete(
  model: XComposer,
  prompt: ComposePrompt,
  { maxNewTokens, sampling }: CompleteOptions,
  check: AbortCheck,
): AsyncGenerator<string, ChatResult, void> {
  const began = performance.now()
  model.checkAlive()
  const files = prompt.content.flatMap((part) => (part.type === 'image' ? [part.file] : []))
  const images = await openImages(
    model,
    files.map((file) => ({ source: { file }, name: file })),
  )
  let image = 0
  const user = prompt.content.map((part) => (part.type === 'text' ? part : { type: 'image' as const, image: image++ }))
  const assembled = compositionPrompt(
    model.tokenizer,
    { user, prefix: prompt.prefix },
    { images: images.length, imageTokens: images.map(({ tokens }) => tokens), maxLength: Number.MAX_SAFE_INTEGER },
  )
  const kept = keepEnd(assembled.parts, model.contextLength - Math.min(ANSWER_ROOM, maxNewTokens))
  // Images that were cut away are not encoded.
  const used = kept.flatMap((part) => (part.kind === 'image' ? [part.image] : []))
  const shown = images.filter((_, i) => used.includes(i))
  const encode = () => encodeOpened(model, shown, check)
  const places = [...new Set(used)].sort((a, b) => a - b)
  const parts = kept.map((part) => (part.kind === 'image' ? { ...part, image: places.indexOf(part.image) } : part))
  return yield* continuePrompt(model, { parts, encode, began }, { maxNewTokens, ...sampling, sample: true }, check)
}

/** The last `limit` positions of a prompt: its question and its candidates stand at the end. An image is kept whole or not at all. */
export function keepEnd(parts: readonly PromptPart[], limit: number): PromptPart[] {
  const kept: PromptPart[] = []
  let left = limit
  for (const part of [...parts].reverse()) {
    const size = part.kind === 'text' ? part.ids.length : part.tokens
    if (size <= left) kept.unshift(part)
    else {
      if (part.kind === 'text' && left > 0) kept.unshift({ kind: 'text', ids: part.ids.slice(-left) })
      break
    }
    left -= size
  }
  return kept
}
