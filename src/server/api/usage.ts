/** Counts and log-probabilities of answers in OpenAI's words. */
import type { ChosenLogprob, TokenLogprob } from '../../generate/logprobs.js'
import type { Timings } from '../answers.js'
import type { EngineUsage } from '../engine.js'

/** `usage` of chat completions and completions; `images` says how large the model saw each image, which OpenAI's has not. */
export function usageObject({ promptTokens, imageTokens, completionTokens, cachedTokens, images }: EngineUsage) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: {
      cached_tokens: cachedTokens,
      image_tokens: imageTokens,
      text_tokens: promptTokens - imageTokens,
      audio_tokens: 0,
    },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
    ...(images.length > 0 ? { images: images.map(({ width, height, tokens }) => ({ width, height, tokens })) } : {}),
  }
}

/** How long an answer took; OpenAI's answers have none. */
export function timingsObject({ firstTokenMs, tokensPerSecond }: Timings) {
  return { first_token_ms: round(firstTokenMs), tokens_per_second: round(tokensPerSecond) }
}

const round = (value: number): number => Math.round(value * 100) / 100

const token = ({ text, logprob }: TokenLogprob) => ({ token: text, logprob: finite(logprob), bytes: [...Buffer.from(text)] })

/** JSON has no infinity; OpenAI writes -9999 in its place. */
export const finite = (logprob: number): number => (Number.isFinite(logprob) ? logprob : -9999)

/** A token as chat completions and responses have it. */
export function logprobObject(chosen: ChosenLogprob) {
  return { ...token(chosen), top_logprobs: chosen.top.map(token) }
}
