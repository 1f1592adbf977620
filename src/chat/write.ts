/** New tokens as text: piece by piece, up to a stop string, with what is asked about each. */

import type { Hypothesis } from '../generate/beam.js'
import type { GeneratedToken, GenerateEnd } from '../generate/generate.js'
import { type ChosenLogprob, tokenLogprobs } from '../generate/logprobs.js'
import { StopStrings } from '../generate/stop-strings.js'
import type { XComposer } from '../inference/xcomposer.js'
import type { Written } from './result.js'

/** What is asked of a text while it is written. */
export interface WriteOptions {
  /** The answer ends before the first of these strings; at most 16. */
  readonly stop?: readonly string[]
  /** Log-probabilities of the tokens, with this many alternatives each (0 to 20); not with beams. */
  readonly logprobs?: number
  /**
   * Receives every token of the answer as soon as it is chosen, before the piece of text that it becomes part of, with its log-probability
   * where those are asked for. Called in order; not with beams.
   */
  readonly onToken?: (id: number, logprob?: ChosenLogprob) => void
}

/** Where the text must stay as it is, to the blank. */
interface ExactText {
  readonly format?: unknown
}

/** Writes the tokens as text, piece by piece, until they end or spell a stop string. */
export async function* write(
  { tokenizer }: XComposer,
  steps: AsyncGenerator<GeneratedToken, GenerateEnd, void>,
  options: WriteOptions & ExactText,
): AsyncGenerator<string, Written, void> {
  const ids: number[] = []
  const logprobs: ChosenLogprob[] = []
  const stream = tokenizer.stream(options.format ? { cleanUp: false } : {})
  const stop = new StopStrings(options.stop ?? [])
  let text = ''
  let firstAt: number | undefined
  for (;;) {
    const step = await steps.next()
    firstAt ??= performance.now()
    let piece = stop.push(step.done ? stream.end() : stream.push(step.value.id))
    if (step.done) piece += stop.end()
    else {
      const { id } = step.value
      const logprob = options.logprobs === undefined ? undefined : tokenLogprobs(step.value, options.logprobs, tokenizer)
      ids.push(id)
      if (logprob) logprobs.push(logprob)
      options.onToken?.(id, logprob)
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
