/**
 * Beam search for one prompt, by the reference library's rules (SPEC section 9), early stopping off. Two rules of length are
 * offered because checkpoints were measured under the older one. It knows nothing of text or KV caches.
 */
import { InputError } from '../common/errors.js'
import type { Branches, BranchingSequence } from '../inference/sequence.js'
import { checkMaxNewTokens, type GenerateOptions } from './generate.js'
import { TokenChooser } from './token-chooser.js'

/**
 * What a hypothesis is divided by. `generated`: its new ids with the stop id (transformers 5). `sequence`: the whole sequence,
 * `prefixLength` ids before the new ones and no stop id (transformers 4.33).
 */
export type LengthRule = 'generated' | 'sequence'

export interface BeamOptions extends Omit<GenerateOptions, 'sampling' | 'constraint'> {
  /** 1 to 64. */
  readonly beams: number
  /** Score = sum of log-probabilities / length^penalty. Default 1. */
  readonly lengthPenalty?: number
  /** Default `generated`. */
  readonly lengthRule?: LengthRule
  /** For `sequence` only: ids counted before the new ones. Default 1, the BOS that an image prompt starts with there. */
  readonly prefixLength?: number
}

export interface Hypothesis {
  /** New ids, without the stop id. */
  readonly ids: readonly number[]
  readonly score: number
  /** The id that ended it; absent when the length limit did. */
  readonly stopId?: number
}

interface Beam {
  readonly ids: readonly number[]
  readonly sum: number
  readonly logits: Float32Array
  /** With the beam's own ids as context. */
  readonly chooser: TokenChooser
}

interface Candidate {
  readonly beam: number
  readonly id: number
  readonly sum: number
}

const MAX_BEAMS = 64

/**
 * The best hypotheses, best first, at most `beams` of them and at least one. `first` are the logits [vocab] after the prompt in
 * `sequence`, which stays the caller's and is unchanged at the end: beams are branches of it, advanced together. Throws InputError for
 * options out of range, and the signal's reason once aborted.
 */
export async function beamSearch(first: Float32Array, sequence: BranchingSequence, options: BeamOptions): Promise<Hypothesis[]> {
  const { beams: width, maxNewTokens, signal } = options
  checkMaxNewTokens(maxNewTokens)
  checkBeams(width)
  const chooser = new TokenChooser(options)
  const ranked = Math.max(2, 1 + chooser.stopCount) * width
  const found: Hypothesis[] = []
  const add = (hypothesis: Hypothesis): void => keepBest(found, hypothesis, width)
  let running: Beam[] = [{ ids: [], sum: 0, logits: first, chooser }]
  const branches = sequence.branch()
  try {
    for (let length = 1; ; length++) {
      signal?.throwIfAborted()
      const candidates = rank(running, ranked)
      const next: Candidate[] = []
      for (const [place, candidate] of candidates.entries()) {
        const ids = running[candidate.beam]?.ids ?? []
        const ends = chooser.isStop(candidate.id)
        if (ends && place < width) add({ ids, score: score(candidate.sum, length, true, options), stopId: candidate.id })
        else if (!ends && next.length < width) next.push(candidate)
      }
      if (length === maxNewTokens) {
        // Under the newer rule a stop id among the first keeps its place, so fewer open beams are closed by the limit.
        const open = options.lengthRule === 'sequence' ? next : next.filter((c) => candidates.indexOf(c) < width)
        for (const { beam, id, sum } of open) {
          add({ ids: [...(running[beam]?.ids ?? []), id], score: score(sum, length, false, options) })
        }
        return found
      }
      if (next.length === 0 || isDone(found, candidates, next, length, options)) return found
      running = await advance(running, next, branches)
    }
  } finally {
    branches.dispose()
  }
}

/** Throws InputError unless `value` is a whole number from 1 to 64. */
export function checkBeams(value: number): void {
  if (!Number.isInteger(value) || value < 1 || value > MAX_BEAMS)
    throw new InputError(`beams: got ${value}, expected a whole number from 1 to ${MAX_BEAMS}`)
}

function score(sum: number, length: number, stopped: boolean, options: BeamOptions): number {
  const { lengthPenalty = 1, lengthRule = 'generated', prefixLength = 1 } = options
  const counted = lengthRule === 'generated' ? length : prefixLength + length - (stopped ? 1 : 0)
  // The old rule on bare ids can close an empty hypothesis: 0^0 and x/0 are no scores.
  return sum / Math.max(1, counted) ** lengthPenalty
}

/** Keeps `found` sorted, best first, at most `width` long; of equals the earlier stays ahead. */
function keepBest(found: Hypothesis[], hypothesis: Hypothesis, width: number): void {
  const at = found.findIndex((other) => other.score < hypothesis.score)
  found.splice(at === -1 ? found.length : at, 0, hypothesis)
  found.length = Math.min(found.length, width)
}

/** Whether no running beam can be expected to beat the worst kept hypothesis (the library's heuristic, not a bound). */
function isDone(
  found: readonly Hypothesis[],
  candidates: readonly Candidate[],
  next: readonly Candidate[],
  length: number,
  options: BeamOptions,
): boolean {
  const worst = found[options.beams - 1]
  if (worst === undefined) return false
  // The old rule looks at the best continuation even when that is a stop id, and counts the prefix.
  const best = options.lengthRule === 'sequence' ? candidates[0] : next[0]
  return best === undefined || worst.score >= score(best.sum, length, false, options)
}

/** The `count` best continuations of all beams, best first; of equals the earlier beam, then the lower id. */
function rank(running: readonly Beam[], count: number): Candidate[] {
  const all = running.flatMap(({ sum, logits, chooser }, beam) =>
    chooser.rank(logits, count).map(({ id, score }) => ({ beam, id, sum: sum + score })),
  )
  return all.sort((a, b) => b.sum - a.sum).slice(0, count)
}

/** The beams of the next step. */
async function advance(running: readonly Beam[], next: readonly Candidate[], branches: Branches): Promise<Beam[]> {
  const logits = await branches.step(
    next.map(({ beam }) => beam),
    next.map(({ id }) => id),
  )
  return next.map(({ beam, id, sum }, i) => {
    const { ids, chooser } = running[beam] as Beam
    return { ids: [...ids, id], sum, logits: logits[i] as Float32Array, chooser: chooser.fork(id) }
  })
}
