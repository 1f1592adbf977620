/** Continues a text as it stands: no roles, no turns, no images. What chat is without a dialogue. */
import type { AbortCheck } from '../common/abort.js'
import { InputError } from '../common/errors.js'
import type { XComposer } from '../inference/xcomposer.js'
import { assemble, type PromptPart } from '../text/prompt.js'
import { ChatAnswer } from './answer.js'
import { continuePrompt } from './continue.js'
import { type ChatOptions, checkAnswerOptions } from './options.js'
import type { ChatResult } from './result.js'

const notHere = ['draft', 'prefix', 'literalText', 'maxTiles', 'reading', 'overflow'] as const

/** As for one answer, without what is about messages and images. */
export type CompleteOptions = Omit<ChatOptions, (typeof notHere)[number]>

/**
 * Continues `text`, as a base model does: the prompt is the beginning of text and its ids. The end of turn ends the continuation too. Text
 * that spells a control token stays text.
 *
 * @example
 * const { text } = await complete(model, 'The capital of Kenya is', { maxNewTokens: 5 }).result
 * @throws as chat
 */
export function complete(model: XComposer, text: string, options: CompleteOptions = {}): ChatAnswer {
  return new ChatAnswer((check) => continuation(model, text, options, check), options.signal)
}

async function* continuation(
  model: XComposer,
  text: string,
  options: CompleteOptions,
  check: AbortCheck,
): AsyncGenerator<string, ChatResult, void> {
  const began = performance.now()
  model.checkAlive()
  checkAnswerOptions(options, notHere)
  check.throwIfAborted()
  const parts = textParts(model, text, model.contextLength - 1)
  return yield* continuePrompt(model, { parts, encode: async () => [], began }, options, check)
}

/**
 * The prompt of a bare text: the beginning of text, then its ids.
 * @throws InputError (code `context_length_exceeded`) where it does not fit
 */
export function textParts(model: XComposer, text: string, maxLength: number): PromptPart[] {
  if (typeof text !== 'string') throw new InputError(`text: expected a text, got ${typeof text}`)
  if (text === '') return [{ kind: 'text', ids: [model.tokenizer.bosId] }]
  return assemble(model.tokenizer, [text], 'first-part', { images: 0, imageTokens: 0, maxLength }).parts
}
