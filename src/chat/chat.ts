/**
 * Chat over text and images: messages in, a stream of text out. What users write is data: images are parts of a message,
 * and text that spells a control token stays text (SPEC 8, 9).
 */
import { InputError } from '../common/errors.js'
import { beamSearch } from '../generate/beam.js'
import { type GenerateOptions, generate } from '../generate/generate.js'
import { checkLogprobs } from '../generate/logprobs.js'
import type { SamplingSettings } from '../generate/processors.js'
import { checkDraft, DRAFT_IDS, draftProposer } from '../generate/speculative/draft.js'
import { generateWithLookup } from '../generate/speculative/prompt-lookup.js'
import { generateSpeculatively, type Proposer } from '../generate/speculative/speculative.js'
import { StopStrings } from '../generate/stop-strings.js'
import type { XComposer } from '../inference/xcomposer.js'
import { type ChatRequest, chatPrompt, type PromptPart } from '../text/prompt.js'
import { encodeMessageImages, type ImageOptions, type ImageSource, imageTokens } from './images.js'
import { type ChatMessage, readMessages, withoutOldestTurn } from './messages.js'
import { type ChatResult, type Clock, chatResult } from './result.js'
import { type WriteOptions, write, writeByBeams } from './write.js'

export type { ChatImage, ChatMessage } from './messages.js'
export type { ChatResult } from './result.js'

/** How an answer is made. */
export interface ChatOptions extends ImageOptions, WriteOptions {
  /** At most this many new tokens (default 512), and never beyond the model's context. */
  readonly maxNewTokens?: number
  /** Greedy by default. */
  readonly sampling?: 'greedy' | (SamplingSettings & { readonly seed?: number })
  readonly repetitionPenalty?: number
  /** More than 1: beam search, whose text comes in one piece. */
  readonly beams?: number
  /** Guess ahead from what stands in the prompt (greedy decoding only): faster where the answer quotes it. Default false. */
  readonly lookup?: boolean
  /** A smaller model with the same tokenizer that guesses ahead (greedy decoding only). It stays the caller's. */
  readonly draft?: XComposer
  /** The answer ends before one of these ids, as before the model's own end of turn. */
  readonly stopIds?: readonly number[]
  /** What happens to a dialogue that does not fit: an InputError (default), or its oldest turns are left out. */
  readonly overflow?: 'error' | 'forget'
  /** Words the answer starts with; they are not part of the result. */
  readonly prefix?: string
  readonly signal?: AbortSignal
}

const DEFAULT_NEW_TOKENS = 512

/**
 * Answers the last message. Yields pieces of text whose concatenation is the result's text.
 * @throws InputError for messages out of order, images that cannot be read, a prompt that does not fit
 */
export async function* chat(
  model: XComposer,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): AsyncGenerator<string, ChatResult, void> {
  const began = performance.now()
  checkAnswerOptions(options)
  const asked: Asked =
    options.overflow === 'forget' ? await fitting(model, messages, options) : readMessages(messages, options.prefix)
  const { request, images: pictures } = asked
  const features = await encodeMessageImages(model, pictures, options)
  const encoded = performance.now()
  const parts = asked.parts ?? (await promptParts(model, request, pictures, options))
  const draft = options.draft && isGreedy(options) ? await openDraft(model, options.draft, request, pictures, options) : undefined
  try {
    return yield* answer(model, parts, features, options, { began, encoded }, draft?.proposer)
  } finally {
    draft?.close()
  }
}

/** Throws InputError for options that would only fail when the answer begins. */
export function checkAnswerOptions({ stop = [], logprobs, beams = 1 }: ChatOptions): void {
  new StopStrings(stop)
  if (logprobs === undefined) return
  checkLogprobs(logprobs)
  if (beams > 1) throw new InputError('logprobs: a beam is chosen as a whole; ask for one or the other')
}

function isGreedy({ sampling = 'greedy', beams = 1 }: ChatOptions): boolean {
  return sampling === 'greedy' && beams === 1
}

/** What is asked, and its prompt where that was made already. */
interface Asked extends ReturnType<typeof readMessages> {
  readonly parts?: readonly PromptPart[]
}

/**
 * The request without as many of the oldest turns as it takes to leave room for the answer, and its prompt. Where nothing is left to leave out
 * it comes without a prompt, as it was asked.
 */
async function fitting(model: XComposer, messages: readonly ChatMessage[], options: ChatOptions): Promise<Asked> {
  const wanted = options.maxNewTokens ?? DEFAULT_NEW_TOKENS
  const room = model.contextLength - Math.min(wanted, Math.floor(model.contextLength / 2))
  for (let kept = messages; ; ) {
    const asked = readMessages(kept, options.prefix)
    const parts = await promptParts(model, asked.request, asked.images, options, Number.POSITIVE_INFINITY)
    if (positions(parts) <= room) return { ...asked, parts }
    const less = withoutOldestTurn(kept)
    if (!less) return asked
    kept = less
  }
}

/**
 * The smaller model with the same prompt read; nothing where that does not fit its context, behind whose end it guesses nothing.
 * @throws InputError where it speaks another language of tokens
 */
async function openDraft(
  model: XComposer,
  draft: XComposer,
  request: ChatRequest,
  pictures: readonly ImageSource[],
  options: ChatOptions,
): Promise<{ proposer: Proposer; close(): void } | undefined> {
  checkDraft(model, draft)
  const parts = await promptParts(draft, request, pictures, options, Number.POSITIVE_INFINITY)
  if (positions(parts) >= draft.contextLength) return undefined
  const features = await encodeMessageImages(draft, pictures, options)
  const { sequence } = await draft.prefill(parts, features)
  return { proposer: draftProposer(sequence, draft.contextLength), close: () => draft.prefixes.put(sequence) }
}

/** The prompt of a request. @throws InputError where it does not fit */
export async function promptParts(
  model: XComposer,
  request: ChatRequest,
  pictures: readonly ImageSource[],
  options: ImageOptions,
  maxLength = model.contextLength - 1,
): Promise<PromptPart[]> {
  const { parts } = chatPrompt(model.tokenizer, request, {
    images: pictures.length,
    imageTokens: await imageTokens(model, pictures, options),
    maxLength,
    bos: model.config.promptBos,
  })
  return parts
}

/**
 * Continues an assembled prompt; chat and composition share it.
 * @param clock when the request began and when its images were encoded (performance.now)
 * @param guess of a smaller model
 */
export async function* answer(
  model: XComposer,
  parts: readonly PromptPart[],
  features: readonly Float32Array[],
  options: ChatOptions,
  clock: Omit<Clock, 'prefilled'>,
  proposer?: Proposer,
): AsyncGenerator<string, ChatResult, void> {
  const { logits, sequence } = await model.prefill(parts, features)
  const prefilled = performance.now()
  const { usage, settings } = generation(model, parts, options)
  const steps = () => {
    if (proposer) return generateSpeculatively(logits, sequence, { ...settings, proposer, most: DRAFT_IDS })
    return options.lookup && settings.sampling === undefined
      ? generateWithLookup(logits, sequence, { ...settings, promptIds: idsAndPlaces(parts) })
      : generate(logits, sequence, settings)
  }
  let finished = false
  try {
    const written =
      options.beams && options.beams > 1
        ? yield* writeByBeams(model, beamSearch(logits, sequence, { ...settings, beams: options.beams }), options.stop)
        : yield* write(model, steps(), options)
    finished = true
    return chatResult(usage, written, { ...clock, prefilled })
  } finally {
    // A follow-up begins as this prompt did; a sequence that broke off in the middle is not to be trusted.
    if (finished) model.prefixes.put(sequence)
    else sequence.dispose()
  }
}

/** What the options mean for one prompt: how it is continued, and its part of the result's counts. */
export function generation(model: XComposer, parts: readonly PromptPart[], options: ChatOptions) {
  const imageTokens = parts.reduce((n, p) => n + (p.kind === 'image' ? p.tokens : 0), 0)
  const promptIds = parts.flatMap((p) => (p.kind === 'text' ? p.ids : []))
  const promptTokens = promptIds.length + imageTokens
  const settings: GenerateOptions = {
    maxNewTokens: Math.min(options.maxNewTokens ?? DEFAULT_NEW_TOKENS, model.contextLength - promptTokens),
    stopIds: [model.tokenizer.eosId, model.tokenizer.endOfTurnId, ...(options.stopIds ?? [])],
    ...(options.sampling && options.sampling !== 'greedy' ? { sampling: { seed: 0, ...options.sampling } } : {}),
    ...(options.repetitionPenalty ? { repetitionPenalty: options.repetitionPenalty } : {}),
    // As the reference: a prompt with images is given as embeddings, whose ids the penalty cannot see.
    contextIds: imageTokens > 0 ? [] : promptIds,
    ...(options.signal ? { signal: options.signal } : {}),
  }
  return { usage: { promptTokens, imageTokens }, settings }
}

/** A prompt's ids, with -1 in the place of each image. */
function idsAndPlaces(parts: readonly PromptPart[]): number[] {
  return parts.flatMap((part) => (part.kind === 'text' ? part.ids : [-1]))
}

/** Positions that a prompt takes. */
export function positions(parts: readonly PromptPart[]): number {
  return parts.reduce((n, part) => n + (part.kind === 'text' ? part.ids.length : part.tokens), 0)
}
