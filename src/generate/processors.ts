/**
 * From logits to the distribution that is sampled: repetition penalty, temperature, top-k, top-p, softmax, in that order
 * (SPEC section 9, as the reference library does it). It knows nothing of random numbers or of where the logits come from.
 */
import { InputError, XComposerError } from '../common/errors.js'

export interface SamplingSettings {
  /** Logits are divided by it; > 0. Default 1. */
  readonly temperature?: number
  /** Only the k largest logits stay (and all that equal the k-th); 0 = off. Default 0. */
  readonly topK?: number
  /** Only the smallest set of most probable ids whose mass reaches p stays, at least one; 1 = off. Default 1. */
  readonly topP?: number
}

/** A distribution over a few ids, most probable first; equal probabilities in order of id. Sums to 1. */
export interface Distribution {
  readonly ids: readonly number[]
  readonly probs: Float64Array
}

/**
 * Repetition penalty on `scores` [vocab] (logits, or log-probabilities in beam search) in place: each id of the context, however
 * often it stands there, is divided by the penalty when positive and multiplied when negative.
 */
export function penalizeRepetition(scores: Float32Array | Float64Array, contextIds: Iterable<number>, penalty: number): void {
  checkNumber('repetition_penalty', penalty, penalty > 0, 'a number > 0')
  if (penalty === 1) return
  for (const id of new Set(contextIds)) {
    const score = scores[id]
    // A context may hold ids the head does not score (an extended vocabulary); they have nothing to penalise.
    if (score !== undefined) scores[id] = score < 0 ? score * penalty : score / penalty
  }
}

/** A number for each of some ids, which is added to its logit. */
export type LogitBias = Readonly<Record<number, number>>

/** The most that is added or taken away. */
const MAX_BIAS = 100

/** Adds `bias` to `scores` [vocab] in place. An id that the head does not score has nothing to be added to. */
export function biasLogits(scores: Float32Array | Float64Array, bias: LogitBias): void {
  for (const [id, value] of Object.entries(bias)) {
    const score = scores[Number(id)]
    if (score !== undefined) scores[Number(id)] = score + value
  }
}

/** Throws InputError unless every id is a whole number >= 0 and every value lies between -100 and 100. */
export function checkLogitBias(bias: LogitBias): void {
  for (const [id, value] of Object.entries(bias)) {
    if (!/^\d+$/.test(id)) throw new InputError(`logit_bias: got the id "${id}", expected a whole number >= 0`)
    checkNumber(`logit_bias of id ${id}`, value, Math.abs(value) <= MAX_BIAS, `a number from -${MAX_BIAS} to ${MAX_BIAS}`)
  }
}

/** Throws InputError for settings out of range; called once before generation rather than at the first id. */
export function checkSampling({ temperature = 1, topK = 0, topP = 1 }: SamplingSettings): void {
  checkNumber('temperature', temperature, temperature > 0, 'a number > 0 (for the most probable id use greedy decoding)')
  checkNumber('top_k', topK, Number.isInteger(topK) && topK >= 0, 'a whole number >= 0 (0 = off)')
  checkNumber('top_p', topP, topP > 0 && topP <= 1, 'a number in (0, 1] (1 = off)')
}

function checkNumber(name: string, value: number, good: boolean, expected: string): void {
  if (!Number.isFinite(value) || !good) throw new InputError(`${name}: got ${value}, expected ${expected}`)
}

/** The distribution after temperature, top-k and top-p of penalised `logits` [vocab], which stay as they are. */
export function distribution(logits: Float32Array, settings: SamplingSettings): Distribution {
  const { temperature = 1, topK = 0, topP = 1 } = settings
  const highest = maximum(logits)
  const weight = (id: number): number => Math.exp(((logits[id] as number) - highest) / temperature)
  const some = topK > 0 && topK < logits.length
  const ids = some ? atLeast(logits, kthLargest(logits, topK)) : Array.from(logits.keys())
  let total = 0
  for (const id of ids) total += weight(id)
  // Everything below this together weighs less than what top-p leaves out: it need not be sorted.
  const negligible = topP < 1 ? (total * (1 - topP)) / ids.length : 0
  const kept = negligible > 0 ? ids.filter((id) => weight(id) >= negligible) : ids
  kept.sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b)
  const probs = Float64Array.from(kept, (id) => weight(id) / total)
  if (topP >= 1) return { ids: kept, probs }
  const keep = prefixReaching(probs, topP)
  return { ids: kept.slice(0, keep), probs: normalize(probs.slice(0, keep)) }
}

/** Largest logit. Throws XComposerError when nothing can be chosen: a NaN (broken weights), or everything masked. */
export function maximum(logits: Float32Array | Float64Array): number {
  return logits[argmax(logits)] as number
}

/** Log-softmax [vocab] in float64: beam sums of hundreds of terms must not drift. */
export function logSoftmax(logits: Float32Array): Float64Array {
  const shift = logSumExp(logits)
  return Float64Array.from(logits, (value) => value - shift)
}

/** log(sum(exp(logits))), with the maximum taken out first. */
export function logSumExp(logits: Float32Array): number {
  const highest = maximum(logits)
  let sum = 0
  for (const value of logits) sum += Math.exp(value - highest)
  return highest + Math.log(sum)
}

/** Index of the largest value; the first of equals. */
export function argmax(values: Float32Array | Float64Array): number {
  let highest = Number.NEGATIVE_INFINITY
  let at = -1
  // By index: a vocabulary is passed once for every token, and an iterator takes three times as long.
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    if (value > highest) {
      highest = value
      at = i
    } else if (Number.isNaN(value)) {
      throw new XComposerError('the model gave a logit that is not a number; its weights are broken')
    }
  }
  if (!Number.isFinite(highest))
    throw new XComposerError(`the largest logit is ${highest}; expected at least one finite logit and none infinite`)
  return at
}

/** Indices of the `count` largest finite values, largest first; of equals the lower index. */
export function largest(values: Float32Array | Float64Array, count: number): number[] {
  const best: number[] = []
  let lowest = Number.NEGATIVE_INFINITY
  for (const [id, value] of values.entries()) {
    if (value <= lowest) continue
    let at = best.length
    for (; at > 0 && (values[best[at - 1] as number] as number) < value; at--);
    best.splice(at, 0, id)
    if (best.length > count) best.pop()
    if (best.length === count) lowest = values[best[count - 1] as number] as number
  }
  return best
}

/** The k-th largest value, by one pass over the values with the k best so far kept sorted (k is small, the vocabulary not). */
function kthLargest(values: Float32Array, k: number): number {
  if (k > 1000) return values.slice().sort()[values.length - k] as number
  const best = new Float32Array(k).fill(Number.NEGATIVE_INFINITY)
  for (const value of values) {
    if (value <= (best[k - 1] as number)) continue
    let at = k - 1
    for (; at > 0 && (best[at - 1] as number) < value; at--) best[at] = best[at - 1] as number
    best[at] = value
  }
  return best[k - 1] as number
}

function atLeast(values: Float32Array, threshold: number): number[] {
  const ids: number[] = []
  for (const [id, value] of values.entries()) if (value >= threshold) ids.push(id)
  return ids
}

/** How many of the descending `probs` it takes until their sum reaches `mass`. */
function prefixReaching(probs: Float64Array, mass: number): number {
  let sum = 0
  for (const [i, p] of probs.entries()) {
    sum += p
    if (sum >= mass) return i + 1
  }
  return probs.length
}

function normalize(weights: Float64Array): Float64Array {
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((w) => w / sum)
}
