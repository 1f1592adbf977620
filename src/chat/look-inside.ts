/**
 * A look inside an answer: how sure the model was of each token and what it nearly said, where each token looked (attention to image tokens,
 * layer by layer), and what the same weights say when the adapter of image tokens (PLoRA) is switched off.
 */
import type { AbortCheck } from '../common/abort.js'
import { InputError } from '../common/errors.js'
import { GeneratedToken, type GenerateEnd, generate } from '../generate/generate.js'
import { MAX_ALTERNATIVES, tokenLogprobs } from '../generate/logprobs.js'
import type { DecoderSequence } from '../inference/decoder-runtime.js'
import { promptRows } from '../inference/prompt-rows.js'
import type { Sequence } from '../inference/sequence.js'
import type { XComposer } from '../inference/xcomposer.js'
import { adapterOf } from '../model/adapter/table.js'
import type { PromptPart } from '../text/prompt.js'
import { type ImageView, imageViews } from './image-views.js'
import { encodeOpened } from './images.js'
import { type Look, LookingSequence } from './looking-sequence.js'
import type { ChatMessage } from './messages.js'
import { type ChatOptions, checkAnswerOptions, generation } from './options.js'
import { openRequest, positions } from './request.js'
import type { ChatResult } from './result.js'

const notHere = [
  'sample',
  'temperature',
  'topP',
  'topK',
  'seed',
  'repetitionPenalty',
  'beams',
  'lookup',
  'draft',
  'stop',
  'logprobs',
  'format',
  'prefix',
] as const

/** As for an answer of chat, but greedy, and without what cuts or bends it. `maxNewTokens`: default 128, or what memory allows. */
export interface LookInsideOptions extends Omit<ChatOptions, (typeof notHere)[number]> {
  /** The answer to look into; by default the model's own. */
  readonly answer?: string
  /** Other tokens beside each of the answer, 0 to 20; default 5. */
  readonly alternatives?: number
  /** Layers whose attention is given, from 0; default all. */
  readonly layers?: readonly number[]
  /** Whether attention is given for each head as well; default false. */
  readonly heads?: boolean
  /** Whether the question is asked with the adapter off as well; default true. */
  readonly adapterOff?: boolean
}

/** A token with its probability under the model itself. */
export interface TokenProbability {
  readonly id: number
  readonly text: string
  /** 0 to 1. */
  readonly probability: number
}

/** A token of an answer. */
export interface InsideToken extends TokenProbability {
  /** The most probable tokens in this place, most probable first. */
  readonly alternatives: readonly TokenProbability[]
}

/** Where the position looked that chose each token. Weights of one layer and head sum to 1 over all positions so far. */
export interface InsideAttention {
  /** Which layers the first index of the others counts. */
  readonly layers: readonly number[]
  /** [layers][tokens][views][rows * columns]: weight of each cell, mean over heads. */
  readonly image: readonly (readonly (readonly (readonly number[])[])[])[]
  /** [layers][tokens][heads][views][rows * columns], where heads were asked for. */
  readonly heads?: readonly (readonly (readonly (readonly (readonly number[])[])[])[])[]
  /** [layers][tokens]: weight of all image tokens. */
  readonly imageShare: readonly (readonly number[])[]
  /** [layers][tokens]: weight of all other positions, that of `firstShare` included. */
  readonly textShare: readonly (readonly number[])[]
  /** [layers][tokens]: weight of the very first position, where models put attention that they have no use for. */
  readonly firstShare: readonly (readonly number[])[]
}

/** The same question with the adapter of image tokens switched off. */
export interface AdapterOff {
  /** Which adapter it is: `plora`, ... */
  readonly adapter: string
  /** What the model then answers. */
  readonly text: string
  readonly tokens: readonly InsideToken[]
  readonly finishReason: ChatResult['finishReason']
  /** For each token of the answer with the adapter on: the probability that it has with the adapter off, behind the same tokens. */
  readonly sameAnswer: readonly number[]
}

/** An answer from inside; plain data, as JSON takes it. */
export interface Inside {
  readonly text: string
  readonly tokens: readonly InsideToken[]
  /** 'given' for an answer that was given. */
  readonly finishReason: ChatResult['finishReason'] | 'given'
  readonly usage: ChatResult['usage']
  readonly views: readonly ImageView[]
  readonly attention: InsideAttention
  /** Absent without images, and where the adapter does not tell image tokens from others. */
  readonly adapterOff?: AdapterOff
}

const DEFAULT_TOKENS = 128
const DEFAULT_ALTERNATIVES = 5
/** Weights that one look may give: 32 MB of numbers, and about as much JSON. */
const MAX_WEIGHTS = 4_000_000

/**
 * Answers the last message, or takes an answer that is given, and shows how it came about. It computes token by token, as chat does:
 * about as long as two answers of chat, three with the adapter off. Memory beside that: at most 4 million weights, and more are
 * refused before anything runs.
 *
 * @example
 * const inside = await lookInside(model, [
 *   { role: 'user', content: [{ type: 'image', image: 'cat.png' }, { type: 'text', text: 'What is this?' }] },
 * ])
 * for (const { text, probability } of inside.tokens) console.log(`${(100 * probability).toFixed(1)} % ${text}`)
 * console.log('with PLoRA off:', inside.adapterOff?.text)
 * @throws as chat; InputError for layers that are not there and for more weights than memory is given to
 */
export async function lookInside(
  model: XComposer,
  messages: readonly ChatMessage[],
  {
    answer,
    alternatives = DEFAULT_ALTERNATIVES,
    layers: asked,
    heads = false,
    adapterOff = true,
    ...options
  }: LookInsideOptions = {},
): Promise<Inside> {
  model.checkAlive()
  checkAnswerOptions(options, notHere)
  if (!(Number.isInteger(alternatives) && alternatives >= 0 && alternatives <= MAX_ALTERNATIVES))
    throw new InputError(`alternatives: got ${alternatives}, expected a whole number from 0 to ${MAX_ALTERNATIVES}`)
  const layers = checkLayers(model, asked)
  const { signal } = options
  signal?.throwIfAborted()
  const { parts, images } = await openRequest(model, messages, options)
  const views = imageViews(model.config, parts)
  const ids = answer === undefined ? undefined : answerIds(model, answer, parts)
  const perToken = weightsPerToken(
    model,
    views.map(({ positions }) => positions.length),
    layers.length,
    heads,
  )
  const maxNewTokens = tokenLimit(perToken, ids?.length ?? options.maxNewTokens)
  const { settings, usage } = generation(model, parts, { ...options, maxNewTokens })
  const run = { model, settings: { ...settings, signal }, alternatives, ids }

  const { features, logits, sequence, cachedTokens } = await model.decoder.scheduler.prompts.run(async () => {
    const features = await encodeOpened(model, images, signal)
    return { features, ...(await model.prefill(parts, features, { signal, scope: options.cacheScope ?? '' })) }
  })
  let finished = false
  let own: Written
  let looks: readonly (readonly Look[])[]
  try {
    const imagePositions = positionsOfImages(parts)
    const looking = new LookingSequence(sequence, { views, layers, heads, imagePositions })
    // The first token was chosen at the last position of the prompt, which is computed again to see where it looked.
    await again(sequence, looking)
    own = await written(run, logits, looking)
    looks = looking.looks.slice(0, own.tokens.length)
    finished = true
  } finally {
    if (finished) model.decoder.keep(sequence)
    else sequence.dispose()
  }

  const differs = images.length > 0 && adapterOf(model.config.decoder.adapter).rows === 'image'
  // What needs no weights may be as long as it would be alone.
  const length = { ...options, maxNewTokens: options.maxNewTokens ?? DEFAULT_TOKENS }
  const free = { ...run, settings: { ...generation(model, parts, length).settings, signal } }
  const off = adapterOff && differs ? await withoutAdapter(free, parts, features, own) : undefined
  return {
    ...own,
    finishReason: ids ? 'given' : own.finishReason,
    usage: { ...usage, completionTokens: own.tokens.length, cachedTokens },
    views: views.map(({ view }) => view),
    attention: attentionOf(looks, layers, heads),
    ...(off ? { adapterOff: off } : {}),
  }
}

interface Run {
  readonly model: XComposer
  readonly settings: Parameters<typeof generate>[2]
  readonly alternatives: number
  /** Of an answer that was given. */
  readonly ids: readonly number[] | undefined
}

interface Written {
  readonly text: string
  readonly tokens: readonly InsideToken[]
  readonly finishReason: ChatResult['finishReason']
}

/** Writes an answer, the model's own or the given one. */
async function written({ model, settings, alternatives, ids }: Run, first: Float32Array, sequence: Sequence): Promise<Written> {
  const steps = ids ? forced(first, sequence, ids, settings.signal) : generate(first, sequence, settings)
  const tokens: InsideToken[] = []
  for (;;) {
    const step = await steps.next()
    if (step.done) {
      const text = model.tokenizer.decode(tokens.map(({ id }) => id))
      return { text, tokens, finishReason: step.value.reason }
    }
    const { top, ...token } = tokenLogprobs(step.value, alternatives, model.tokenizer)
    tokens.push({ ...probability(token), alternatives: top.map(probability) })
  }
}

function probability({ id, text, logprob }: { id: number; text: string; logprob: number }): TokenProbability {
  return { id, text, probability: Math.exp(logprob) }
}

/** As `generate`, with ids that are given. */
async function* forced(
  first: Float32Array,
  sequence: Sequence,
  ids: readonly number[],
  signal?: AbortCheck,
): AsyncGenerator<GeneratedToken, GenerateEnd, void> {
  let logits = first
  for (const [i, id] of ids.entries()) {
    signal?.throwIfAborted()
    if (i > 0) logits = await sequence.append([ids[i - 1] as number])
    yield new GeneratedToken(id, logits)
  }
  return { reason: 'length' }
}

/** Computes the last position once more. It then counts as one behind the prompt, since it was computed by itself. */
async function again(sequence: DecoderSequence, looking: LookingSequence): Promise<void> {
  const last = sequence.content.at(-1) as number
  sequence.rewind(sequence.length - 1)
  sequence.promptLength = sequence.length
  await looking.append([last])
}

/**
 * The question with image tokens as rows of text, which is what they are without their adapter. Such a sequence never comes into the prefix
 * cache: its keys and values are others.
 */
async function withoutAdapter(
  run: Run,
  parts: readonly PromptPart[],
  features: readonly Float32Array[],
  own: Written,
): Promise<AdapterOff> {
  const { model, settings } = run
  const { rows, tokens } = promptRows(model.decoder, parts, features)
  const sequence = model.decoder.sequence(model.contextLength)
  try {
    const { signal } = settings
    const logits = await model.decoder.scheduler.prompts.run(() => sequence.appendRows(rows, tokens, [], { signal }))
    const answer = await written({ ...run, ids: undefined }, logits, sequence)
    sequence.rewind(tokens)
    const ids = own.tokens.map(({ id }) => id)
    const same = await written({ ...run, ids, alternatives: 0 }, logits, sequence)
    return { adapter: model.config.decoder.adapter.type, ...answer, sameAnswer: same.tokens.map((token) => token.probability) }
  } finally {
    sequence.dispose()
  }
}

function attentionOf(looks: readonly (readonly Look[])[], layers: readonly number[], heads: boolean): InsideAttention {
  const by = <T>(of: (look: Look) => T): T[][] => layers.map((_, i) => looks.map((look) => of(look[i] as Look)))
  return {
    layers,
    image: by(({ views }) => views),
    ...(heads ? { heads: by((look) => look.heads ?? []) } : {}),
    imageShare: by(({ imageShare }) => imageShare),
    textShare: by(({ imageShare }) => 1 - imageShare),
    firstShare: by(({ firstShare }) => firstShare),
  }
}

function positionsOfImages(parts: readonly PromptPart[]): number[] {
  let at = 0
  return parts.flatMap((part) => {
    const start = at
    at += part.kind === 'image' ? part.tokens : part.ids.length
    return part.kind === 'image' ? Array.from({ length: part.tokens }, (_, i) => start + i) : []
  })
}

function checkLayers(model: XComposer, asked: readonly number[] | undefined): readonly number[] {
  const { layers: count } = model.config.decoder
  const layers = asked ?? Array.from({ length: count }, (_, layer) => layer)
  const bad = layers.find((layer) => !Number.isInteger(layer) || layer < 0 || layer >= count)
  if (bad !== undefined) throw new InputError(`layers: got ${bad}, expected whole numbers from 0 to ${count - 1}`)
  return layers
}

function answerIds(model: XComposer, answer: string, parts: readonly PromptPart[]): readonly number[] {
  const ids = model.tokenizer.encode(answer)
  if (ids.length === 0) throw new InputError('answer: expected a text, got an empty one')
  const length = positions(parts) + ids.length
  if (length > model.contextLength)
    throw new InputError(
      `answer: with the question it takes ${length} positions; this model's context is ${model.contextLength}`,
      {
        code: 'context_length_exceeded',
      },
    )
  return ids
}

function weightsPerToken(model: XComposer, cells: readonly number[], layers: number, heads: boolean): number {
  return cells.reduce((sum, n) => sum + n, 0) * layers * (heads ? 1 + model.config.decoder.heads : 1)
}

/** The tokens of an answer. @throws InputError where their weights are too many */
function tokenLimit(perToken: number, wanted: number | undefined): number {
  const most = perToken === 0 ? Number.POSITIVE_INFINITY : Math.floor(MAX_WEIGHTS / perToken)
  const tokens = wanted ?? Math.min(DEFAULT_TOKENS, Math.max(1, most))
  if (tokens <= most) return tokens
  throw new InputError(
    `attention: ${tokens} tokens have ${tokens * perToken} weights, at most ${MAX_WEIGHTS} are given; ask for fewer tokens or layers, or without heads`,
  )
}
