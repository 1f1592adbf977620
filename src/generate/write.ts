/** New tokens as text: piece by piece, up to a stop string, with what is asked about each; and the result that they add up to. */
import type { XComposer } from '../model/xcomposer.js'
import type { Hypothesis } from './beam.js'
import type { ChatOptions, ChatResult } from './chat.js'
import type { GeneratedToken, GenerateEnd } from './generate.js'
import { type ChosenLogprob, tokenLogprobs } from './logprobs.js'
import { StopStrings } from './stop-strings.js'

/** When a request began, when its pictures were encoded, and its prompt (performance.now). */
export interface Clock {
  readonly began: number
  readonly encoded: number
  readonly prefilled: number
}

/** A text as it was generated; `firstAt` is when its first token was there. */
export interface Written extends Pick<ChatResult, 'text' | 'ids' | 'finishReason' | 'logprobs'> {
  readonly firstAt: number
}

/** Writes the tokens as text, piece by piece, until they end or spell a stop string. */
export async function* write(
  { tokenizer }: XComposer,
  steps: AsyncGenerator<GeneratedToken, GenerateEnd, void>,
  options: Pick<ChatOptions, 'stop' | 'logprobs'>,
): AsyncGenerator<string, Written, void> {
  const ids: number[] = []
  const logprobs: ChosenLogprob[] = []
  const stream = tokenizer.stream()
  const stop = new StopStrings(options.stop ?? [])
  let text = ''
  let firstAt: number | undefined
  for (;;) {
    const step = await steps.next()
    firstAt ??= performance.now()
    let piece = stop.push(step.done ? stream.end() : stream.push(step.value.id))
    if (step.done) piece += stop.end()
    else {
      ids.push(step.value.id)
      if (options.logprobs !== undefined) logprobs.push(tokenLogprobs(step.value, options.logprobs, tokenizer))
    }
    text += piece
    if (piece) yield piece
    if (!step.done && !stop.stopped) continue
    const finishReason = stop.stopped || !step.done ? 'stop' : step.value.reason
    if (!step.done) await steps.return({ reason: 'length' })
    return { text, ids, finishReason, firstAt, ...(options.logprobs === undefined ? {} : { logprobs }) }
  }
}

/** Writes the best hypothesis in one piece. */
export async function* writeByBeams(
  { tokenizer }: XComposer,
  search: Promise<Hypothesis[]>,
  stop: readonly string[] = [],
): AsyncGenerator<string, Written, void> {
  const best = (await search)[0]
  const ids = best?.ids ?? []
  const watch = new StopStrings(stop)
  const cut = watch.push(tokenizer.decode([...ids]))
  const text = cut + watch.end()
  const firstAt = performance.now()
  yield text
  return { text, ids, finishReason: best?.stopId === undefined && !watch.stopped ? 'length' : 'stop', firstAt }
}

/** The result of an answer that is complete now. */
export function chatResult(
  usage: Omit<ChatResult['usage'], 'completionTokens'>,
  { firstAt, ...written }: Written,
  { began, encoded, prefilled }: Clock,
): ChatResult {
  const decodeMs = performance.now() - prefilled
  return {
    ...written,
    usage: { ...usage, completionTokens: written.ids.length },
    timings: {
      imageMs: encoded - began,
      prefillMs: prefilled - encoded,
      decodeMs,
      firstTokenMs: firstAt - began,
      tokensPerSecond: decodeMs > 0 ? (written.ids.length * 1000) / decodeMs : 0,
    },
  }
}
