/**
 * The likeliest complete answers to one prompt, each with the probability of the whole of it, its end included: what a model would say
 * otherwise, and how sure it is. Beam search scores for a good text; this finds the most probable ones and says whether it is certain
 * of them. It knows nothing of text or KV caches.
 */
import type { AbortCheck } from '../common/abort.js'
import { InputError } from '../common/errors.js'
import type { BranchingSequence } from '../inference/sequence.js'
import { checkMaxNewTokens } from './generate.js'
import { largest, logSoftmax } from './processors.js'

export interface LikeliestOptions {
  /** Answers wanted, 1 to 20. */
  readonly count: number
  /** Ids that end an answer. Which of them does makes no difference: their probabilities are added up. */
  readonly stopIds: readonly number[]
  /** >= 1; the id that ends an answer counts. */
  readonly maxNewTokens: number
  /** What is the same answer; default: the same ids. Probabilities of the same answer are added up as far as they are looked at. */
  readonly same?: (ids: readonly number[]) => string
  /** Looked at before each pass; its reason is thrown. */
  readonly signal?: AbortCheck | undefined
}

/** One answer. */
export interface LikelyIds {
  /** Without the id that ends it; of several that are the same answer, the likeliest. */
  readonly ids: readonly number[]
  /** Natural logarithm of its probability under the model itself: no penalty, no temperature, no cuts. */
  readonly logprob: number
}

export interface Likeliest {
  /** Most probable first, at most `count`; fewer where fewer are complete within the length. */
  readonly answers: readonly LikelyIds[]
  /** Whether no other sequence of ids can be likelier than the last of them. */
  readonly exact: boolean
}

interface Open {
  readonly ids: readonly number[]
  readonly sum: number
  readonly logits: Float32Array
}

interface Found extends LikelyIds {
  /** Log-probability of `ids` alone. */
  readonly own: number
}

const MAX_ANSWERS = 20
/** Beginnings that are followed side by side. */
const WIDTH = 64

/**
 * Follows the likeliest beginnings, all of one length, and gives up those that are no likelier than the `count`-th complete answer: what
 * goes on from them is less likely still. So the search ends by itself, and is exact unless more than 64 beginnings were in question at
 * once or the length ran out, which it says.
 *
 * @param first logits [vocab] after the prompt in `sequence`, which stays the caller's and is unchanged at the end
 * @throws InputError for options out of range; the signal's reason once aborted
 */
export async function likeliest(
  first: Float32Array,
  sequence: BranchingSequence,
  { count, stopIds, maxNewTokens, same = String, signal }: LikeliestOptions,
): Promise<Likeliest> {
  checkMaxNewTokens(maxNewTokens)
  checkCount(count)
  const stops = new Set(stopIds)
  const found = new Map<string, Found>()
  let open: readonly Open[] = [{ ids: [], sum: 0, logits: first }]
  let givenUp = Number.NEGATIVE_INFINITY
  const branches = sequence.branch()
  try {
    for (let length = 1; ; length++) {
      signal?.throwIfAborted()
      const scores = open.map(({ logits }) => logSoftmax(logits))
      for (const [i, { ids, sum }] of open.entries())
        note(found, same(ids), ids, sum + endScore(scores[i] as Float64Array, stops))
      const floor = ranked(found)[count - 1]?.logprob ?? Number.NEGATIVE_INFINITY
      const next = open
        .flatMap(({ sum }, parent) => {
          const own = scores[parent] as Float64Array
          return largest(own, WIDTH + 1 + stops.size).map((id) => ({ parent, id, sum: sum + (own[id] as number) }))
        })
        .filter(({ id, sum }) => !stops.has(id) && sum > floor)
        .sort((a, b) => b.sum - a.sum)
      const kept = length === maxNewTokens ? [] : next.slice(0, WIDTH)
      givenUp = Math.max(givenUp, next[kept.length]?.sum ?? Number.NEGATIVE_INFINITY)
      if (kept.length === 0) {
        const answers = ranked(found).slice(0, count)
        return { answers: answers.map(({ ids, logprob }) => ({ ids, logprob })), exact: givenUp <= floor }
      }
      const logits = await branches.step(
        kept.map(({ parent }) => parent),
        kept.map(({ id }) => id),
      )
      open = kept.map(({ parent, id, sum }, i) => ({
        ids: [...(open[parent] as Open).ids, id],
        sum,
        logits: logits[i] as Float32Array,
      }))
    }
  } finally {
    branches.dispose()
  }
}

/** @throws InputError unless `count` is a whole number from 1 to 20 */
export function checkCount(count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > MAX_ANSWERS)
    throw new InputError(`count: got ${count}, expected a whole number from 1 to ${MAX_ANSWERS}`)
}

/** Log-probability that the next id is one of `stops`. */
function endScore(scores: Float64Array, stops: ReadonlySet<number>): number {
  return [...stops].reduce((sum, id) => logAdd(sum, scores[id] ?? Number.NEGATIVE_INFINITY), Number.NEGATIVE_INFINITY)
}

function note(found: Map<string, Found>, key: string, ids: readonly number[], own: number): void {
  if (own === Number.NEGATIVE_INFINITY) return
  const before = found.get(key)
  const best = before && before.own >= own ? before : { ids, own }
  found.set(key, { ids: best.ids, own: best.own, logprob: before ? logAdd(before.logprob, own) : own })
}

function ranked(found: ReadonlyMap<string, Found>): Found[] {
  return [...found.values()].sort((a, b) => b.logprob - a.logprob)
}

/** log(e^a + e^b). */
function logAdd(a: number, b: number): number {
  const [high, low] = a > b ? [a, b] : [b, a]
  return low === Number.NEGATIVE_INFINITY ? high : high + Math.log1p(Math.exp(low - high))
}
