/** The real model behind the composition steps: prompts in the composition layout, the front cut where a prompt is too long. */
import { answer } from '../chat/chat.js'
import { encodeMessageImages, imageTokens } from '../chat/images.js'
import type { XComposer } from '../inference/xcomposer.js'
import { compositionPrompt, type PromptPart } from '../text/prompt.js'
import type { ComposerModel } from './prompt.js'

/** Positions kept free for the answer where a prompt has to be cut. */
const ROOM = 64

/** A ComposerModel on a loaded model; the model stays the caller's. */
export function composerModel(model: XComposer): ComposerModel {
  return {
    async complete(prompt, options) {
      const began = performance.now()
      const files = prompt.content.flatMap((part) => (part.type === 'image' ? [part.file] : []))
      const tokens = await imageTokens(
        model,
        files.map((file) => ({ file })),
      )
      let image = 0
      const user = prompt.content.map((part) => (part.type === 'text' ? part : { type: 'image' as const, image: image++ }))
      const assembled = compositionPrompt(
        model.tokenizer,
        { user, prefix: prompt.prefix },
        { images: files.length, imageTokens: tokens, maxLength: Number.MAX_SAFE_INTEGER },
      )
      const parts = keepEnd(assembled.parts, model.contextLength - Math.min(ROOM, options.maxNewTokens))
      // Images that were cut away are not encoded; the others keep their numbers.
      const kept = new Set(parts.flatMap((p) => (p.kind === 'image' ? [p.image] : [])))
      const rows = await encodeMessageImages(
        model,
        files.filter((_, i) => kept.has(i)).map((file) => ({ file })),
      )
      const features: Float32Array[] = []
      for (const [i] of files.entries()) features.push(kept.has(i) ? (rows.shift() as Float32Array) : new Float32Array(0))
      const { temperature, topP, topK, seed, repetitionPenalty } = options.sampling
      const steps = answer(
        model,
        parts,
        features,
        {
          maxNewTokens: options.maxNewTokens,
          sampling: temperature === 0 ? 'greedy' : { temperature, topP, topK, seed },
          repetitionPenalty,
          ...(options.signal ? { signal: options.signal } : {}),
        },
        { began, encoded: performance.now() },
      )
      for (;;) {
        const step = await steps.next()
        if (step.done) return step.value.text
      }
    },
  }
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
