/** What an answer comes to: its text and ids, why it ended, what it counted and how long it took. */
import type { ChosenLogprob } from '../generate/logprobs.js'
import type { SeenImage } from './image-cache.js'

/** A finished answer. */
export interface ChatResult {
  readonly text: string
  readonly ids: readonly number[]
  /** One for each id, where they were asked for. */
  readonly logprobs?: readonly ChosenLogprob[]
  readonly usage: {
    readonly promptTokens: number
    readonly imageTokens: number
    readonly completionTokens: number
    /** Positions of the prompt that were taken from the prefix cache. */
    readonly cachedTokens: number
  }
  /** How each image of the prompt was seen. */
  readonly images: readonly SeenImage[]
  readonly timings: {
    readonly imageMs: number
    readonly prefillMs: number
    readonly decodeMs: number
    readonly firstTokenMs: number
    readonly tokensPerSecond: number
  }
  /** 'stop': the model ended its turn, or a stop string did; 'length': a limit did. */
  readonly finishReason: 'stop' | 'length'
}

/** When a request began, when its images were encoded, and its prompt (performance.now). */
export interface Clock {
  readonly began: number
  readonly encoded: number
  readonly prefilled: number
}

/** A text as it was generated; `firstAt` is when its first token was there. */
export interface Written extends Pick<ChatResult, 'text' | 'ids' | 'finishReason' | 'logprobs'> {
  readonly firstAt: number
}

/** The result of an answer that is complete now. */
export function chatResult(
  usage: Omit<ChatResult['usage'], 'completionTokens'>,
  { firstAt, ...written }: Written,
  { began, encoded, prefilled }: Clock,
  images: readonly SeenImage[] = [],
): ChatResult {
  const decodeMs = performance.now() - prefilled
  return {
    ...written,
    usage: { ...usage, completionTokens: written.ids.length },
    images,
    timings: {
      imageMs: encoded - began,
      prefillMs: prefilled - encoded,
      decodeMs,
      firstTokenMs: firstAt - began,
      tokensPerSecond: decodeMs > 0 ? (written.ids.length * 1000) / decodeMs : 0,
    },
  }
}
