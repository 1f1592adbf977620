/**
 * Several independent conversations answered together. Their prompts are prefilled one after the other; then every pass of the
 * decoder gives each of them its next token, and the weights, whose reading is most of a pass, are read once for all.
 */
import type { AbortCheck } from '../common/abort.js'
import { InputError } from '../common/errors.js'
import { generate } from '../generate/generate.js'
import type { Sequence } from '../inference/sequence.js'
import type { XComposer } from '../inference/xcomposer.js'
import { ChatAnswer } from './answer.js'
import { chat } from './chat.js'
import { encodeOpened, seenImages } from './images.js'
import type { ChatMessage } from './messages.js'
import { type ChatOptions, checkAnswerOptions, generation } from './options.js'
import { type OpenedRequest, openRequest, positions } from './request.js'
import { type ChatResult, type Clock, chatResult } from './result.js'
import { write } from './write.js'

const notInBatches = ['beams', 'lookup', 'draft', 'overflow', 'onToken'] as const

/** As for one answer. Beams and speculation are themselves several sequences, so they are not among a batch's options; nor is what hears of tokens without knowing whose they are. */
export type ChatBatchOptions = Omit<ChatOptions, (typeof notInBatches)[number]>

/**
 * Answers the last message of each conversation; the results are in their order, and each is what `chat` gives for that conversation alone
 * with the same options, seed included. (Only where two logits agree to their last bits may the engine's other order of sums decide
 * otherwise.) The reference pads its shorter prompts on the left and masks the padding (SPEC 4); here every row has a length of its own,
 * which gives the same logits without computing the padding. Memory: keys and values of all conversations, each as long as the longest.
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
  if (!model.canBatch) return oneByOne(model, conversations, options)
  const longest = Math.max(0, ...opened.map(({ parts }) => positions(parts)))
  const batch = model.batch(opened.length, longest + 1)
  try {
    const answers: ChatAnswer[] = []
    for (const request of opened) {
      const began = performance.now()
      const features = await encodeOpened(model, request.images, options.signal)
      const encoded = performance.now()
      const { logits, sequence } = await model.prefill(request.parts, features, { signal: options.signal })
      const row = batch.join(sequence)
      // The row is a copy, so the next prompt may begin where this one agrees with it.
      model.prefixes.put(sequence)
      const clock = { began, encoded, prefilled: performance.now() }
      answers.push(new ChatAnswer((check) => continueRow(model, request, { logits, row }, options, check, clock), options.signal))
    }
    // All rows have to end before their memory goes, also when one of them fails.
    const settled = await Promise.allSettled(answers.map(({ result }) => result))
    return settled.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason
      return outcome.value
    })
  } finally {
    batch.dispose()
  }
}

/** One row's answer; the row leaves the batch at its end. */
async function* continueRow(
  model: XComposer,
  { parts, images }: OpenedRequest,
  { logits, row }: { readonly logits: Float32Array; readonly row: Sequence },
  options: ChatBatchOptions,
  check: AbortCheck,
  clock: Clock,
): AsyncGenerator<string, ChatResult, void> {
  try {
    const { usage, settings } = generation(model, parts, options)
    const written = yield* write(model, generate(logits, row, { ...settings, signal: check }), options)
    return chatResult(usage, written, clock, seenImages(images))
  } finally {
    row.dispose()
  }
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

async function oneByOne(
  model: XComposer,
  conversations: readonly (readonly ChatMessage[])[],
  options: ChatBatchOptions,
): Promise<ChatResult[]> {
  const results: ChatResult[] = []
  for (const messages of conversations) results.push(await chat(model, messages, options).result)
  return results
}
