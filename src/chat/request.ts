/**
 * From messages to a prompt, in the order that every request keeps: messages are read, images opened, the prompt assembled and its length
 * checked; only then is anything encoded or prefilled.
 */

import type { XComposer } from '../inference/xcomposer.js'
import { chatPrompt, type PromptPart } from '../text/prompt.js'
import { type OpenedImage, openImages } from './images.js'
import { type ChatMessage, type ReadMessages, readMessages, withoutOldestTurn } from './messages.js'
import { answerRoom, type ChatOptions } from './options.js'
import type { ChatResult } from './result.js'

/** A request that the model can begin with. */
export interface OpenedRequest {
  readonly asked: ReadMessages
  readonly images: readonly OpenedImage[]
  readonly parts: readonly PromptPart[]
}

/**
 * Opens a request; nothing of the model runs.
 * @throws InputError for messages out of order, images that cannot be read, a prompt that does not fit
 */
export async function openRequest(
  model: XComposer,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): Promise<OpenedRequest> {
  const asked = readMessages(messages, options)
  const images = await openImages(model, asked.images, options)
  if (options.overflow !== 'drop-oldest-turns') return { asked, images, parts: promptParts(model, asked, images) }
  return fitting(model, messages, asked, images, options)
}

/** The request without as many of the oldest turns as it takes to leave room for the answer, or as many as there are. */
function fitting(
  model: XComposer,
  messages: readonly ChatMessage[],
  all: ReadMessages,
  opened: readonly OpenedImage[],
  options: ChatOptions,
): OpenedRequest {
  const room = model.contextLength - answerRoom(model, options)
  let kept = messages
  for (let asked = all; ; asked = readMessages(kept, options)) {
    // Images of the oldest turns come first.
    const images = opened.slice(opened.length - asked.images.length)
    const parts = promptParts(model, asked, images, Number.POSITIVE_INFINITY)
    if (positions(parts) <= room) return { asked, images, parts }
    const less = withoutOldestTurn(kept)
    if (!less) return { asked, images, parts: promptParts(model, asked, images) }
    kept = less
  }
}

/** The same request for another model, whatever its length. */
export async function openAgain({ asked }: OpenedRequest, model: XComposer, options: ChatOptions): Promise<OpenedRequest> {
  const images = await openImages(model, asked.images, options)
  return { asked, images, parts: promptParts(model, asked, images, Number.POSITIVE_INFINITY) }
}

/** The prompt of a request. @throws InputError (code `context_length_exceeded`) where it does not fit */
function promptParts(
  model: XComposer,
  { request }: ReadMessages,
  images: readonly OpenedImage[],
  maxLength = model.contextLength - 1,
): PromptPart[] {
  const imageTokens = images.map(({ tokens }) => tokens)
  const { parts } = chatPrompt(model.tokenizer, request, {
    images: images.length,
    imageTokens,
    maxLength,
    bos: model.config.promptBos,
  })
  return parts
}

/**
 * Positions that messages take in the context of a model, and those of images among them, without running it. A prompt fits where
 * `promptTokens` is below `model.contextLength`.
 *
 * @example
 * const { promptTokens } = await countTokens(model, [{ role: 'user', content: 'What is the capital of Kenya?' }])
 * @throws InputError for messages out of order and images that cannot be read
 */
export async function countTokens(
  model: XComposer,
  messages: readonly ChatMessage[],
  options: Pick<ChatOptions, 'prefix' | 'literalText' | 'maxTiles'> = {},
): Promise<Pick<ChatResult['usage'], 'promptTokens' | 'imageTokens'>> {
  const asked = readMessages(messages, options)
  const images = await openImages(model, asked.images, options)
  const imageTokens = images.reduce((sum, { tokens }) => sum + tokens, 0)
  return { promptTokens: positions(promptParts(model, asked, images, Number.POSITIVE_INFINITY)), imageTokens }
}

/** Positions that a prompt takes. */
export function positions(parts: readonly PromptPart[]): number {
  return parts.reduce((n, part) => n + (part.kind === 'text' ? part.ids.length : part.tokens), 0)
}
