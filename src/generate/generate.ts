/**
 * One id after the other, greedy or sampled (SPEC section 9). Yields only new ids, as they come; the caller decodes and
 * streams them. It knows nothing of text, images or KV caches.
 */
import type { AbortCheck } from '../common/abort.js'
import { InputError } from '../common/errors.js'
import type { Sequence } from '../inference/sequence.js'
import { logSumExp } from './processors.js'
import { type ChooserOptions, TokenChooser } from './token-chooser.js'

export interface GenerateOptions extends ChooserOptions {
  /** >= 1. */
  readonly maxNewTokens: number
  /** Generation throws the signal's reason at the next id. */
  readonly signal?: AbortCheck | undefined
}

/** A chosen id. Its log-probability is worked out when it is asked for: it takes as long as choosing. */
export class GeneratedToken {
  constructor(
    readonly id: number,
    /** [vocab], as the model gave them: before penalty, temperature and cuts. */
    readonly logits: Float32Array,
  ) {}

  /** Under the model itself. */
  get logprob(): number {
    return (this.logits[this.id] as number) - logSumExp(this.logits)
  }
}

/** Why generation ended. */
export type GenerateEnd = { readonly reason: 'stop'; readonly stopId: number } | { readonly reason: 'length' }

/**
 * Continues `sequence`, whose last logits [vocab] are `first`; a stop id is not yielded. The sequence stays the caller's and ends one id
 * short of what was yielded, since nobody has asked for what follows the last id. Throws InputError for options out of range.
 */
export async function* generate(
  first: Float32Array,
  sequence: Sequence,
  options: GenerateOptions,
): AsyncGenerator<GeneratedToken, GenerateEnd, void> {
  const { maxNewTokens, signal } = options
  checkMaxNewTokens(maxNewTokens)
  const chooser = new TokenChooser(options)
  let logits = first
  for (let made = 0; ; ) {
    signal?.throwIfAborted()
    const { id, stops } = chooser.next(logits)
    if (stops) return { reason: 'stop', stopId: id }
    yield new GeneratedToken(id, logits)
    if (++made === maxNewTokens) return { reason: 'length' }
    signal?.throwIfAborted()
    logits = await sequence.append([id])
  }
}

/** Throws InputError unless `value` is a whole number >= 1. */
export function checkMaxNewTokens(value: number): void {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InputError(`max_new_tokens: got ${value}, expected a whole number >= 1`)
}
