/**
 * Chat over text and images: messages in, a stream of text out. What users write is data: images are parts of a message,
 * and text that spells a control token stays text (SPEC 8, 9).
 */
import type { AbortCheck } from '../common/abort.js'
import { checkDraft, draftProposer } from '../generate/speculative/draft.js'
import type { Proposer } from '../generate/speculative/speculative.js'
import type { XComposer } from '../inference/xcomposer.js'
import { ChatAnswer } from './answer.js'
import { continuePrompt } from './continue.js'
import { encodeOpened, seenImages } from './images.js'
import type { ChatMessage } from './messages.js'
import { type ChatOptions, checkAnswerOptions } from './options.js'
import { type OpenedRequest, openAgain, openRequest, positions } from './request.js'
import type { ChatResult } from './result.js'

export type { AnswerFormat } from '../generate/constrain/constraint.js'
export type { ChatAnswer } from './answer.js'
export type { ChatContentPart, ChatImage, ChatMessage } from './messages.js'
export { type ChatOptions, checkAnswerOptions, type SamplingOptions } from './options.js'
export { countTokens } from './request.js'
export type { ChatResult } from './result.js'

/**
 * Answers the last message. The answer is an async iterable of pieces of text, whose concatenation is the text of its `result`. Any number
 * of answers may be made at the same time; they share the passes of the decoder, and each is what it is alone.
 *
 * @example
 * const { text } = await chat(model, [
 *   { role: 'user', content: [{ type: 'image', image: 'cat.png' }, { type: 'text', text: 'What is this?' }] },
 * ]).result
 * @throws InputError, where the answer is read, for messages out of order, images that cannot be read, a prompt that does not fit;
 * DisposedError when the model is disposed, also while it answers; the signal's reason
 */
export function chat(model: XComposer, messages: readonly ChatMessage[], options: ChatOptions = {}): ChatAnswer {
  return new ChatAnswer((check) => answer(model, messages, options, check), options.signal)
}

async function* answer(
  model: XComposer,
  messages: readonly ChatMessage[],
  options: ChatOptions,
  check: AbortCheck,
): AsyncGenerator<string, ChatResult, void> {
  const began = performance.now()
  model.checkAlive()
  checkAnswerOptions(options)
  if (options.draft) checkDraft(model, options.draft)
  check.throwIfAborted()
  const opened = await openRequest(model, messages, options)
  const draft = options.draft && (await openDraft(options.draft, opened, options, check))
  try {
    const encode = () => encodeOpened(model, opened.images, check)
    const prompt = { parts: opened.parts, encode, began, images: seenImages(opened.images) }
    return yield* continuePrompt(model, prompt, options, check, draft?.proposer)
  } finally {
    draft?.close()
  }
}

/** The smaller model with the same prompt read; nothing where that does not fit its context, behind whose end it proposes nothing. */
async function openDraft(
  draft: XComposer,
  opened: OpenedRequest,
  options: ChatOptions,
  check: AbortCheck,
): Promise<{ proposer: Proposer; close(): void } | undefined> {
  const { parts, images } = await openAgain(opened, draft, options)
  if (positions(parts) >= draft.contextLength) return undefined
  const features = await encodeOpened(draft, images, check)
  const { sequence } = await draft.prefill(parts, features, { signal: check, scope: options.cacheScope ?? '' })
  return { proposer: draftProposer(sequence, draft.contextLength), close: () => draft.decoder.keep(sequence) }
}
