/** How an answer is made: the options of chat, what they mean for generation, and which go together. */
import { InputError } from '../common/errors.js'
import { checkBeams } from '../generate/beam.js'
import { type AnswerFormat, formatConstraint, prepareFormat } from '../generate/constrain/constraint.js'
import { checkMaxNewTokens, type GenerateOptions } from '../generate/generate.js'
import { checkLogprobs } from '../generate/logprobs.js'
import type { LogitBias } from '../generate/processors.js'
import { StopStrings } from '../generate/stop-strings.js'
import { TokenChooser } from '../generate/token-chooser.js'
import type { XComposer } from '../inference/xcomposer.js'
import type { PromptPart } from '../text/prompt.js'
import type { ImageOptions } from './images.js'
import type { ReadOptions } from './messages.js'
import type { WriteOptions } from './write.js'

/** How ids are drawn. Greedy unless `sample`, or one of temperature, topP and topK, asks for sampling; temperature 0 is greedy. */
export interface SamplingOptions {
  /** Draws each id instead of taking the likeliest; false: greedy whatever else is given. */
  readonly sample?: boolean
  /** Logits are divided by it. Default 1. */
  readonly temperature?: number
  /** Only the smallest set of most probable ids whose mass reaches it stays; default 1 (off). */
  readonly topP?: number
  /** Only so many of the most probable ids stay; default 0 (off). */
  readonly topK?: number
  /** The same seed gives the same answer; default 0. */
  readonly seed?: number
  /** Above 1 discourages ids that stand already; default 1. */
  readonly repetitionPenalty?: number
  /** Added to the logits of these ids before anything is chosen, -100 to 100 each. */
  readonly logitBias?: LogitBias
}

/** How an answer is made. */
export interface ChatOptions extends SamplingOptions, ImageOptions, ReadOptions, WriteOptions {
  /** At most this many new tokens (default 512), and never beyond the model's context. */
  readonly maxNewTokens?: number
  /** More than 1: beam search, whose text comes in one piece. Not with sampling. */
  readonly beams?: number
  /** Speculative decoding by prompt lookup (greedy only): faster where the answer quotes the prompt. Default false. */
  readonly lookup?: boolean
  /** Speculative decoding by a smaller model with the same tokenizer (greedy only). It stays the caller's. */
  readonly draft?: XComposer
  /** The answer ends before one of these ids, as before the model's own end of turn. */
  readonly stopIds?: readonly number[]
  /**
   * What the answer must be, enforced while it is decoded: a JSON object, or JSON that a JSON Schema allows. An answer that ends with
   * 'stop' is; one cut by its length is a beginning of one. Not with beams, prefix and stopIds.
   */
  readonly format?: AnswerFormat
  /** What happens to a dialogue that does not fit: an InputError (default), or its oldest turns are left out. */
  readonly overflow?: 'error' | 'drop-oldest-turns'
  /** Looked at between two passes of the model; its reason is thrown. */
  readonly signal?: AbortSignal
}

const DEFAULT_NEW_TOKENS = 512

/** Every option, so that a misspelt one is not ignored. */
const known: Readonly<Record<keyof ChatOptions, true>> = {
  sample: true,
  temperature: true,
  topP: true,
  topK: true,
  seed: true,
  repetitionPenalty: true,
  logitBias: true,
  onToken: true,
  maxTiles: true,
  reading: true,
  cacheScope: true,
  prefix: true,
  literalText: true,
  stop: true,
  logprobs: true,
  maxNewTokens: true,
  beams: true,
  lookup: true,
  draft: true,
  stopIds: true,
  format: true,
  overflow: true,
  signal: true,
}

/**
 * Throws InputError for options that would only fail when the answer begins.
 * @param without options that the caller does not take
 */
export function checkAnswerOptions(options: ChatOptions, without: readonly (keyof ChatOptions)[] = []): void {
  const names = Object.keys(known).filter((name) => !without.some((other) => other === name))
  const unknown = Object.entries(options).find(([name, value]) => value !== undefined && !names.includes(name))
  if (unknown) throw new InputError(`options: "${unknown[0]}" is not known here; expected ${names.join(', ')}`)
  const { stop = [], logprobs, beams = 1, overflow = 'error' } = options
  new StopStrings(stop)
  const sampling = samplingOf(options)
  new TokenChooser(chooserOptions(options))
  checkMaxNewTokens(options.maxNewTokens ?? DEFAULT_NEW_TOKENS)
  checkBeams(beams)
  if (overflow !== 'error' && overflow !== 'drop-oldest-turns')
    throw new InputError(`overflow: expected error or drop-oldest-turns, got "${overflow}"`)
  if (beams > 1 && sampling) throw new InputError('beams: beam search does not sample; leave out beams or what asks for sampling')
  for (const name of ['lookup', 'draft'] as const) {
    if (options[name] && (beams > 1 || sampling))
      throw new InputError(`${name}: only greedy decoding is speculative; leave out beams and what asks for sampling`)
  }
  if (beams > 1 && options.onToken) throw new InputError('onToken: a beam is chosen as a whole; ask for one or the other')
  if (options.format) {
    const other = (['beams', 'prefix', 'stopIds'] as const).find((name) => (name === 'beams' ? beams > 1 : options[name]))
    if (other) throw new InputError(`format: an answer in a format is made without ${other}; leave out one of the two`)
    prepareFormat(options.format)
  }
  if (logprobs === undefined) return
  checkLogprobs(logprobs)
  if (beams > 1) throw new InputError('logprobs: a beam is chosen as a whole; ask for one or the other')
}

/** The settings of sampling; undefined for greedy decoding. */
function samplingOf({ sample, temperature, topP, topK, seed = 0 }: SamplingOptions): GenerateOptions['sampling'] {
  const asked = sample ?? [temperature, topP, topK].some((value) => value !== undefined)
  if (!asked || temperature === 0) return undefined
  return { temperature: temperature ?? 1, topP: topP ?? 1, topK: topK ?? 0, seed }
}

function chooserOptions(options: SamplingOptions): Pick<GenerateOptions, 'sampling' | 'repetitionPenalty' | 'logitBias'> {
  const sampling = samplingOf(options)
  const { repetitionPenalty, logitBias } = options
  return {
    ...(sampling ? { sampling } : {}),
    ...(repetitionPenalty === undefined ? {} : { repetitionPenalty }),
    ...(logitBias === undefined ? {} : { logitBias }),
  }
}

/** Positions that are kept free for the answer where a dialogue is shortened to fit. */
export function answerRoom(model: XComposer, { maxNewTokens = DEFAULT_NEW_TOKENS }: ChatOptions): number {
  return Math.min(maxNewTokens, Math.floor(model.contextLength / 2))
}

/** What the options mean for one prompt: how it is continued, and its part of the result's counts. */
export function generation(model: XComposer, parts: readonly PromptPart[], options: ChatOptions) {
  const imageTokens = parts.reduce((n, p) => n + (p.kind === 'image' ? p.tokens : 0), 0)
  const promptIds = parts.flatMap((p) => (p.kind === 'text' ? p.ids : []))
  const promptTokens = promptIds.length + imageTokens
  const { eosId, endOfTurnId } = model.tokenizer
  const settings: Omit<GenerateOptions, 'signal'> = {
    ...chooserOptions(options),
    maxNewTokens: Math.min(options.maxNewTokens ?? DEFAULT_NEW_TOKENS, model.contextLength - promptTokens),
    stopIds: [eosId, endOfTurnId, ...(options.stopIds ?? [])],
    // As the reference: a prompt with images is given as embeddings, whose ids the penalty cannot see.
    contextIds: imageTokens > 0 ? [] : promptIds,
    ...(options.format ? { constraint: formatConstraint(model.tokenizer, options.format, [eosId, endOfTurnId]) } : {}),
  }
  return { usage: { promptTokens, imageTokens }, settings }
}
