/** Several independent conversations that are checked together before any of them begins, and answered together. */
import { InputError } from '../common/errors.js'
import type { XComposer } from '../inference/xcomposer.js'
import { ChatAnswer } from './answer.js'
import { continuePrompt } from './continue.js'
import { encodeOpened, seenImages } from './images.js'
import type { ChatMessage } from './messages.js'
import { type ChatOptions, checkAnswerOptions } from './options.js'
import { type OpenedRequest, openRequest } from './request.js'
import type { ChatResult } from './result.js'

const notInBatches = ['beams', 'lookup', 'draft', 'overflow', 'onToken'] as const

/** As for one answer. Beams and speculation are themselves several sequences, so they are not among a batch's options; nor is what hears of tokens without knowing whose they are. */
export type ChatBatchOptions = Omit<ChatOptions, (typeof notInBatches)[number]>

/**
 * Answers the last message of each conversation; the results are in their order, and each is what `chat` gives for that conversation alone
 * with the same options, seed included. (Only where two logits agree to their last bits may the engine's other order of sums decide
 * otherwise.) The reference pads its shorter prompts on the left and masks the padding (SPEC 4); here every row has a length of its own,
 * which gives the same logits without computing the padding. Memory: keys and values of the conversations that run together (`slots` of
 * the model), each as long as the longest.
 *
 * @example
 * const results = await chatBatch(model, questions.map((text) => [{ role: 'user', content: text }]))
 * @throws InputError naming the conversation (from 1) that is bad input, before anything of the model runs
 */
export async function chatBatch(
  model: XComposer,
  conversations: readonly (readonly ChatMessage[])[],
  options: ChatBatchOptions = {},
): Promise<ChatResult[]> {
  model.checkAlive()
  checkAnswerOptions(options, notInBatches)
  options.signal?.throwIfAborted()
  const opened: OpenedRequest[] = []
  for (const [i, messages] of conversations.entries()) opened.push(await open(model, messages, options, i + 1))
  const answers = opened.map(({ parts, images }) => {
    const began = performance.now()
    return new ChatAnswer((check) => {
      const encode = () => encodeOpened(model, images, check)
      return continuePrompt(model, { parts, encode, began, images: seenImages(images), together: true }, options, check)
    }, options.signal)
  })
  // All of them have to end before their memory goes, also when one fails.
  const settled = await Promise.allSettled(answers.map(({ result }) => result))
  return settled.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
}

/** Opens a conversation; errors name it. */
async function open(
  model: XComposer,
  messages: readonly ChatMessage[],
  options: ChatBatchOptions,
  number: number,
): Promise<OpenedRequest> {
  try {
    return await openRequest(model, messages, options)
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause
    throw new InputError(`conversation ${number}: ${cause.message}`, { cause, code: cause.code })
  }
}
