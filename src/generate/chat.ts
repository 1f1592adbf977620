/**
 * Chat over text and pictures: messages in, a stream of text out. What users write is data: pictures are parts of a message,
 * and text that spells a control token stays text (SPEC 8, 9).
 */
import { InputError } from '../errors.js'
import type { XComposer } from '../model/xcomposer.js'
import { type ChatContent, type ChatRequest, type ChatTurn, chatPrompt, type PromptPart } from '../text/prompt.js'
import { beamSearch, type Hypothesis } from './beam.js'
import { type GeneratedToken, type GenerateEnd, type GenerateOptions, generate } from './generate.js'
import { generateWithLookup } from './lookup.js'
import { encodePictures, imageTokens, type Picture, type PictureOptions } from './pictures.js'
import type { SamplingSettings } from './processors.js'

/** A picture of a message. */
export type ChatImage = Picture

/** One message; pictures stand where they are meant to be seen. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content:
    | string
    | readonly ({ readonly type: 'text'; readonly text: string } | { readonly type: 'image'; readonly image: ChatImage })[]
}

/** How an answer is made. */
export interface ChatOptions extends PictureOptions {
  /** At most this many new tokens (default 512), and never beyond the model's context. */
  readonly maxNewTokens?: number
  /** Greedy by default. */
  readonly sampling?: 'greedy' | (SamplingSettings & { readonly seed?: number })
  readonly repetitionPenalty?: number
  /** More than 1: beam search, whose text comes in one piece. */
  readonly beams?: number
  /** Guess ahead from what stands in the prompt (greedy decoding only): faster where the answer quotes it. Default false. */
  readonly lookup?: boolean
  /** Words the answer starts with; they are not part of the result. */
  readonly prefix?: string
  readonly signal?: AbortSignal
}

/** A finished answer. */
export interface ChatResult {
  readonly text: string
  readonly ids: readonly number[]
  readonly usage: { readonly promptTokens: number; readonly imageTokens: number; readonly completionTokens: number }
  readonly timings: {
    readonly imageMs: number
    readonly prefillMs: number
    readonly decodeMs: number
    readonly firstTokenMs: number
    readonly tokensPerSecond: number
  }
  /** 'stop': the model ended its turn; 'length': a limit did. */
  readonly finishReason: 'stop' | 'length'
}

const DEFAULT_NEW_TOKENS = 512

/**
 * Answers the last message. Yields pieces of text whose concatenation is the result's text.
 * @throws InputError for messages out of order, pictures that cannot be read, a prompt that does not fit
 */
export async function* chat(
  model: XComposer,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): AsyncGenerator<string, ChatResult, void> {
  const began = performance.now()
  const { request, pictures } = readMessages(messages, options.prefix)
  const features = await encodePictures(model, pictures, options)
  const encoded = performance.now()
  const parts = await promptParts(model, request, pictures, options)
  return yield* answer(model, parts, features, options, { began, encoded })
}

/** The prompt of a request. @throws InputError where it does not fit */
export async function promptParts(
  model: XComposer,
  request: ChatRequest,
  pictures: readonly Picture[],
  options: PictureOptions,
): Promise<PromptPart[]> {
  const { parts } = chatPrompt(model.tokenizer, request, {
    images: pictures.length,
    imageTokens: await imageTokens(model, pictures, options),
    maxLength: model.contextLength - 1,
    bos: model.config.promptBos,
  })
  return parts
}

/** When a request began, when its pictures were encoded, and its prompt (performance.now). */
interface Clock {
  readonly began: number
  readonly encoded: number
  readonly prefilled: number
}

/** A text as it was generated; `firstAt` is when its first token was there. */
interface Written extends Pick<ChatResult, 'text' | 'ids' | 'finishReason'> {
  readonly firstAt: number
}

/**
 * Continues an assembled prompt; chat and composition share it.
 * @param clock when the request began and when its pictures were encoded (performance.now)
 */
export async function* answer(
  model: XComposer,
  parts: readonly PromptPart[],
  features: readonly Float32Array[],
  options: ChatOptions,
  clock: Omit<Clock, 'prefilled'>,
): AsyncGenerator<string, ChatResult, void> {
  const { logits, sequence } = await model.prefill(parts, features)
  const prefilled = performance.now()
  const { usage, settings } = generation(model, parts, options)
  const steps = () =>
    options.lookup && settings.sampling === undefined
      ? generateWithLookup(logits, sequence, { ...settings, promptIds: idsAndPlaces(parts) })
      : generate(logits, sequence, settings)
  let finished = false
  try {
    const written =
      options.beams && options.beams > 1
        ? yield* writeByBeams(model, beamSearch(logits, sequence, { ...settings, beams: options.beams }))
        : yield* write(model, steps())
    finished = true
    return chatResult(usage, written, { ...clock, prefilled })
  } finally {
    // A follow-up begins as this prompt did; a sequence that broke off in the middle is not to be trusted.
    if (finished) model.keep(sequence)
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
    stopIds: [model.tokenizer.eosId, model.tokenizer.endOfTurnId],
    ...(options.sampling && options.sampling !== 'greedy' ? { sampling: { seed: 0, ...options.sampling } } : {}),
    ...(options.repetitionPenalty ? { repetitionPenalty: options.repetitionPenalty } : {}),
    // As the reference: a prompt with pictures is given as embeddings, whose ids the penalty cannot see.
    contextIds: imageTokens > 0 ? [] : promptIds,
    ...(options.signal ? { signal: options.signal } : {}),
  }
  return { usage: { promptTokens, imageTokens }, settings }
}

/** Writes the tokens as text, piece by piece. */
export async function* write(
  { tokenizer }: XComposer,
  steps: AsyncGenerator<GeneratedToken, GenerateEnd, void>,
): AsyncGenerator<string, Written, void> {
  const ids: number[] = []
  const stream = tokenizer.stream()
  let text = ''
  let firstAt: number | undefined
  for (;;) {
    const step = await steps.next()
    firstAt ??= performance.now()
    const piece = step.done ? stream.end() : stream.push(step.value.id)
    text += piece
    if (piece) yield piece
    if (step.done) return { text, ids, finishReason: step.value.reason, firstAt }
    ids.push(step.value.id)
  }
}

/** Writes the best hypothesis in one piece. */
async function* writeByBeams({ tokenizer }: XComposer, search: Promise<Hypothesis[]>): AsyncGenerator<string, Written, void> {
  const best = (await search)[0]
  const ids = best?.ids ?? []
  const text = tokenizer.decode([...ids])
  const firstAt = performance.now()
  yield text
  return { text, ids, finishReason: best?.stopId === undefined ? 'length' : 'stop', firstAt }
}

/** The result of an answer that is complete now. */
export function chatResult(
  usage: Omit<ChatResult['usage'], 'completionTokens'>,
  { text, ids, finishReason, firstAt }: Written,
  { began, encoded, prefilled }: Clock,
): ChatResult {
  const decodeMs = performance.now() - prefilled
  return {
    text,
    ids,
    usage: { ...usage, completionTokens: ids.length },
    timings: {
      imageMs: encoded - began,
      prefillMs: prefilled - encoded,
      decodeMs,
      firstTokenMs: firstAt - began,
      tokensPerSecond: decodeMs > 0 ? (ids.length * 1000) / decodeMs : 0,
    },
    finishReason,
  }
}

/** A prompt's ids, with -1 in the place of each picture. */
function idsAndPlaces(parts: readonly PromptPart[]): number[] {
  return parts.flatMap((part) => (part.kind === 'text' ? part.ids : [-1]))
}

/** Messages as a prompt request, with their pictures numbered in order. */
export function readMessages(
  messages: readonly ChatMessage[],
  prefix: string | undefined,
): { request: ChatRequest; pictures: Picture[] } {
  const pictures: Picture[] = []
  const content = (m: ChatMessage): ChatContent => {
    if (typeof m.content === 'string') return m.content
    return m.content.map((part) =>
      part.type === 'text' ? part : { type: 'image' as const, image: pictures.push(part.image) - 1 },
    )
  }
  const rest = [...messages]
  const system = rest[0]?.role === 'system' ? plainText(rest.shift() as ChatMessage) : undefined
  const history: ChatTurn[] = []
  for (;;) {
    const user = rest.shift()
    if (user?.role !== 'user')
      throw new InputError(`messages: expected a user message, got ${user ? `one of the ${user.role}` : 'none'}`)
    const said = content(user)
    const reply = rest.shift()
    if (!reply)
      return { request: { ...(system ? { system } : {}), history, user: said, ...(prefix ? { prefix } : {}) }, pictures }
    if (reply.role !== 'assistant')
      throw new InputError(`messages: expected an assistant message after a user's, got one of the ${reply.role}`)
    history.push({ user: said, assistant: plainText(reply) })
  }
}

function plainText(m: ChatMessage): string {
  if (typeof m.content === 'string') return m.content
  return m.content
    .map((part) => {
      if (part.type === 'text') return part.text
      throw new InputError(`messages: a ${m.role} message holds a picture; only user messages can`)
    })
    .join('')
}
