/**
 * Chooses ids from logits (SPEC section 9): bias, repetition penalty, greedy or sampled, stop ids. The one place that does so, for plain
 * generation, speculative decoding and beam search alike. It runs no model and knows no lengths: the same logits in the same order
 * always give the same ids.
 */
import type { TokenConstraint } from './constrain/constraint.js'
import {
  argmax,
  biasLogits,
  checkLogitBias,
  checkSampling,
  distribution,
  type LogitBias,
  largest,
  logSoftmax,
  penalizeRepetition,
  type SamplingSettings,
} from './processors.js'
import { createRandom, draw, type Random } from './sample.js'

export interface ChooserOptions {
  /** An answer ends when one of these is chosen. */
  readonly stopIds?: readonly number[]
  /** Absent: greedy. */
  readonly sampling?: SamplingSettings & { readonly seed: number }
  /** > 0; default 1 (off). */
  readonly repetitionPenalty?: number
  /** Added to the logits before everything else, -100 to 100 each; an id with -100 is hardly ever chosen. */
  readonly logitBias?: LogitBias
  /** Ids before the first chosen one that the penalty sees: the prompt's ids for a text prompt, none for one with images. */
  readonly contextIds?: readonly number[]
  /** Which ids may come; follows what is chosen, for one answer. */
  readonly constraint?: TokenConstraint
}

export interface Choice {
  readonly id: number
  /** Whether it is a stop id, behind which nothing more is chosen. */
  readonly stops: boolean
}

/** A continuation that beam search may follow. */
export interface RankedId {
  readonly id: number
  /** Log-softmax of the biased logits, with the penalty. */
  readonly score: number
}

/** Chooses for one answer. */
export class TokenChooser {
  private readonly stops: ReadonlySet<number>
  private readonly context: Set<number>
  private readonly random: Random | undefined

  /** @throws InputError for options out of range */
  constructor(private readonly options: ChooserOptions = {}) {
    const { sampling, repetitionPenalty = 1, stopIds, contextIds, logitBias } = options
    if (sampling) checkSampling(sampling)
    if (logitBias) checkLogitBias(logitBias)
    // Checks the penalty before the first id, not at it.
    penalizeRepetition(new Float32Array(0), [], repetitionPenalty)
    this.random = sampling && createRandom(sampling.seed)
    this.stops = new Set(stopIds)
    this.context = new Set(contextIds)
  }

  /**
   * The id that follows `logits` [vocab], which stay as they are. It is part of the context from then on.
   * @throws XComposerError where no logit is finite
   */
  next(logits: Float32Array): Choice {
    const { sampling } = this.options
    const scores = this.adjusted(logits)
    const id = sampling && this.random ? draw(distribution(scores, sampling), this.random) : argmax(scores)
    const stops = this.stops.has(id)
    if (!stops) {
      this.context.add(id)
      this.options.constraint?.accept(id)
    }
    return { id, stops }
  }

  isStop(id: number): boolean {
    return this.stops.has(id)
  }

  /** How many stop ids there are. */
  get stopCount(): number {
    return this.stops.size
  }

  /** The `count` best continuations, best first; of equals the lower id. */
  rank(logits: Float32Array, count: number): RankedId[] {
    const scores = logSoftmax(this.biased(logits))
    penalizeRepetition(scores, this.context, this.options.repetitionPenalty ?? 1)
    return largest(scores, count).map((id) => ({ id, score: scores[id] as number }))
  }

  /** A chooser for a beam: with this context and `id` behind it. */
  fork(id: number): TokenChooser {
    return new TokenChooser({ ...this.options, contextIds: [...this.context, id] })
  }

  private biased(logits: Float32Array): Float32Array {
    const { logitBias } = this.options
    if (!logitBias) return logits
    const scores = logits.slice()
    biasLogits(scores, logitBias)
    return scores
  }

  private adjusted(logits: Float32Array): Float32Array {
    const { repetitionPenalty = 1, constraint } = this.options
    const biased = this.biased(logits)
    if (repetitionPenalty === 1 && !constraint) return biased
    const scores = biased === logits ? logits.slice() : biased
    penalizeRepetition(scores, this.context, repetitionPenalty)
    constraint?.mask(scores)
    return scores
  }
}
