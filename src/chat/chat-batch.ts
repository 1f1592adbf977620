/**
 * Several independent conversations answered together. Their prompts are prefilled one after the other; then every pass of the
 * decoder gives each of them its next token, and the weights, whose reading is most of a pass, are read once for all.
 */
import { InputError } from '../common/errors.js'
import { generate } from '../generate/generate.js'
import type { XComposer } from '../inference/xcomposer.js'
import type { PromptPart } from '../text/prompt.js'
import {
  type ChatMessage,
  type ChatOptions,
  type ChatResult,
  chat,
  checkAnswerOptions,
  generation,
  positions,
  promptParts,
} from './chat.js'
import { encodeOpened, type OpenedImage, openImages } from './images.js'
import { readMessages } from './messages.js'
import { chatResult } from './result.js'
import { write } from './write.js'

/** As for one answer. Beams and guesses are themselves several sequences, so they are not among a batch's options. */
export type ChatBatchOptions = Omit<ChatOptions, 'beams' | 'lookup' | 'draft' | 'overflow'>

interface Opened {
  readonly parts: readonly PromptPart[]
  readonly images: readonly OpenedImage[]
}

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
  checkAnswerOptions(options)
  const opened: Opened[] = []
  for (const [i, messages] of conversations.entries()) opened.push(await open(model, messages, options, i + 1))
  if (!model.canBatch) return oneByOne(model, conversations, options)
  const longest = Math.max(0, ...opened.map(({ parts }) => positions(parts)))
  const batch = model.batch(opened.length, longest + 1)
  try {
    const answers: (() => Promise<ChatResult>)[] = []
    for (const { parts, images } of opened) {
      options.signal?.throwIfAborted()
      const began = performance.now()
      const features = await encodeOpened(model, images)
      const encoded = performance.now()
      const { logits, sequence } = await model.prefill(parts, features)
      const row = batch.join(sequence)
      // The row is a copy, so the next prompt may begin where this one agrees with it.
      model.prefixes.put(sequence)
      const clock = { began, encoded, prefilled: performance.now() }
      const { usage, settings } = generation(model, parts, options)
      answers.push(async () => {
        try {
          return chatResult(usage, await drained(write(model, generate(logits, row, settings), options)), clock)
        } finally {
          row.dispose()
        }
      })
    }
    // All rows have to end before their memory goes, also when one of them fails.
    const settled = await Promise.allSettled(answers.map((start) => start()))
    return settled.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason
      return outcome.value
    })
  } finally {
    batch.dispose()
  }
}

/** Reads a conversation and its images. */
async function open(
  model: XComposer,
  messages: readonly ChatMessage[],
  options: ChatBatchOptions,
  number: number,
): Promise<Opened> {
  try {
    const { request, images } = readMessages(messages, options.prefix)
    return {
      images: await openImages(model, images, options),
      parts: await promptParts(model, request, images, options),
    }
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause
    throw new InputError(`conversation ${number}: ${cause.message}`, { cause })
  }
}

async function oneByOne(
  model: XComposer,
  conversations: readonly (readonly ChatMessage[])[],
  options: ChatBatchOptions,
): Promise<ChatResult[]> {
  const results: ChatResult[] = []
  for (const messages of conversations) results.push(await drained(chat(model, messages, options)))
  return results
}

async function drained<R>(steps: AsyncGenerator<string, R, void>): Promise<R> {
  for (;;) {
    const step = await steps.next()
    if (step.done) return step.value
  }
}
