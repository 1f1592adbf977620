/**
 * Which record each training sample is, as a pure function of (seed, sample number): the source by weight, the record
 * without replacement within an epoch of its source. It knows nothing of what records hold.
 */
import { hash, permute } from '../common/random.js'

/** Keys that keep the draws of different purposes apart. */
const SOURCE = 1
const RECORD = 2

export interface Pick {
  readonly source: number
  readonly record: number
  /** Which pass over its source this sample belongs to. */
  readonly epoch: number
}

export interface Sampler {
  /** The samples `window * size` to `(window + 1) * size - 1`. */
  picks(window: number): Pick[]
}

/** @param sizes records per source @param shares probability per source, summing to 1 @param size samples per window */
export function createSampler(seed: number, sizes: readonly number[], shares: readonly number[], size: number): Sampler {
  const cumulative: number[] = []
  for (const share of shares) cumulative.push((cumulative.at(-1) ?? 0) + share)
  const lastUsed = shares.findLastIndex((share) => share > 0)
  const sourceOf = (sample: number): number => {
    const draw = hash(seed, SOURCE, sample) / 2 ** 32
    const found = cumulative.findIndex((end) => draw < end)
    return found < 0 ? lastUsed : found
  }
  // drawn[w][s]: samples taken from source s before window w. Counted once and kept: a resumed run counts from the start.
  const drawn: number[][] = [sizes.map(() => 0)]
  const before = (window: number): readonly number[] => {
    for (let w = drawn.length - 1; w < window; w++) {
      const counts = [...(drawn[w] ?? [])]
      for (let k = w * size; k < (w + 1) * size; k++) {
        const s = sourceOf(k)
        counts[s] = (counts[s] ?? 0) + 1
      }
      drawn.push(counts)
    }
    return drawn[window] ?? []
  }
  return {
    picks(window) {
      const counts = [...before(window)]
      return Array.from({ length: size }, (_, i) => {
        const source = sourceOf(window * size + i)
        const draw = counts[source] ?? 0
        counts[source] = draw + 1
        const records = sizes[source] ?? 1
        const epoch = Math.floor(draw / records)
        return { source, epoch, record: permute(draw % records, records, seed, RECORD, source, epoch) }
      })
    },
  }
}

/**
 * Probability of each source: by weight, and with `textShare` exactly that part for the text sources together.
 * Returns undefined when `textShare` asks for a kind of source that is not there.
 */
export function sourceShares(weights: readonly number[], isText: readonly boolean[], textShare?: number): number[] | undefined {
  const total = (text: boolean): number => weights.reduce((sum, w, i) => sum + (isText[i] === text ? w : 0), 0)
  const [text, other] = [total(true), total(false)]
  const share = textShare ?? text / (text + other)
  if ((share > 0 && !(text > 0)) || (share < 1 && !(other > 0))) return undefined
  return weights.map((w, i) => (isText[i] ? (share > 0 ? (w / text) * share : 0) : share < 1 ? (w / other) * (1 - share) : 0))
}
