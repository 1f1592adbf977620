/** The likeliest answers to the last message, with their probabilities: how sure a model is, and what it nearly said. */
import { checkCount, likeliest } from '../generate/likeliest.js'
import type { XComposer } from '../inference/xcomposer.js'
import { encodeOpened } from './images.js'
import type { ChatMessage } from './messages.js'
import { type ChatOptions, checkAnswerOptions, generation } from './options.js'
import { openRequest } from './request.js'

const notHere = [
  'sample',
  'temperature',
  'topP',
  'topK',
  'seed',
  'repetitionPenalty',
  'logitBias',
  'beams',
  'lookup',
  'draft',
  'stop',
  'logprobs',
  'onToken',
  'format',
] as const

/** As for one answer, without what changes probabilities or cuts an answer short. `maxNewTokens`: the longest answer with its end. */
export interface LikeliestAnswersOptions extends Omit<ChatOptions, (typeof notHere)[number]> {
  /** Answers wanted, 1 to 20; default 3. */
  readonly count?: number
}

/** One of the likeliest answers. */
export interface LikelyAnswer {
  /** Without white space around it. */
  readonly text: string
  readonly ids: readonly number[]
  /** Of the whole answer, its end included; 0 to 1. */
  readonly probability: number
}

/** The likeliest answers. */
export interface LikelyAnswers {
  /** Most probable first; no text twice. Fewer than asked for where fewer are complete within the length. */
  readonly answers: readonly LikelyAnswer[]
  /** Whether no other answer can be likelier than the last of them. */
  readonly exact: boolean
}

/**
 * The likeliest complete answers to the last message. They are the model's own probabilities: nothing is sampled. Short answers only, such
 * as names and numbers: of a long text every wording is unlikely.
 *
 * @example
 * const { answers } = await likeliestAnswers(model, [{ role: 'user', content: 'What is the capital of Kenya?' }])
 * for (const { text, probability } of answers) console.log(`${(100 * probability).toFixed(1)} % ${text}`)
 * @throws as chat
 */
export async function likeliestAnswers(
  model: XComposer,
  messages: readonly ChatMessage[],
  { count = 3, ...options }: LikeliestAnswersOptions = {},
): Promise<LikelyAnswers> {
  model.checkAlive()
  checkCount(count)
  checkAnswerOptions(options, notHere)
  const { signal } = options
  signal?.throwIfAborted()
  const { parts, images } = await openRequest(model, messages, options)
  const { logits, sequence } = await model.decoder.scheduler.prompts.run(async () => {
    const features = await encodeOpened(model, images, signal)
    return model.prefill(parts, features, { signal, scope: options.cacheScope ?? '' })
  })
  const { maxNewTokens, stopIds = [] } = generation(model, parts, options).settings
  const text = (ids: readonly number[]) => model.tokenizer.decode([...ids]).trim()
  let finished = false
  try {
    const { answers, exact } = await likeliest(logits, sequence, { count, maxNewTokens, stopIds, same: text, signal })
    finished = true
    return { answers: answers.map(({ ids, logprob }) => ({ text: text(ids), ids, probability: Math.exp(logprob) })), exact }
  } finally {
    if (finished) model.decoder.keep(sequence)
    else sequence.dispose()
  }
}
