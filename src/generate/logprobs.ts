/** How sure the model was of each token, beside the tokens that it might have said instead. */
import { InputError } from '../common/errors.js'
import type { Tokenizer } from '../text/tokenizer.js'
import type { GeneratedToken } from './generate.js'
import { largest, logSumExp } from './processors.js'

/** One token and its log-probability under the model itself: before penalty, temperature and cuts. */
export interface TokenLogprob {
  readonly id: number
  /** What the id spells by itself; half a character comes as U+FFFD. */
  readonly text: string
  readonly logprob: number
}

export interface ChosenLogprob extends TokenLogprob {
  /** The most probable tokens in this place, most probable first. */
  readonly top: readonly TokenLogprob[]
}

/** Most alternatives that can be asked for. */
export const MAX_ALTERNATIVES = 20

/** Throws InputError unless `count` is a whole number from 0 to 20. */
export function checkLogprobs(count: number): void {
  if (!Number.isInteger(count) || count < 0 || count > MAX_ALTERNATIVES)
    throw new InputError(`logprobs: got ${count}, expected a whole number from 0 to ${MAX_ALTERNATIVES}`)
}

/** A chosen token with `count` alternatives. */
export function tokenLogprobs({ id, logits }: GeneratedToken, count: number, tokenizer: Tokenizer): ChosenLogprob {
  const shift = logSumExp(logits)
  const entry = (other: number): TokenLogprob => ({
    id: other,
    text: tokenizer.decode([other], { skipSpecial: false, cleanUp: false }),
    logprob: (logits[other] as number) - shift,
  })
  return { ...entry(id), top: count > 0 ? largest(logits, count).map(entry) : [] }
}
