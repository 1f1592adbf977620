/**
 * From timed runs to the one line that a benchmark reports: median, spread, and the ratio to a peer that ran interleaved in
 * the same session. It does not know what was measured.
 */
import { XComposerError } from '../src/common/errors.js'

/** Whether a benchmark's numbers are rates or times. */
export type Better = 'more' | 'less'

/** What the last line of a benchmark says. */
export interface Report {
  readonly name: string
  /** Median of our runs. */
  readonly ours: number
  /** Median of the peer's runs; null when no peer was given. */
  readonly peer: number | null
  /** How many times better ours is: ours / peer for rates, peer / ours for times; null when no peer was given. */
  readonly ratio: number | null
  /** Timed runs of each side. */
  readonly runs: number
  /** (max - min) / median of our runs. */
  readonly spread: number
}

/** Middle value; the mean of the two middle ones for an even count. @throws XComposerError for no values */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  if (low === undefined || high === undefined) throw new XComposerError('a benchmark has no runs: the median needs one')
  return (low + high) / 2
}

/** The value below which the share `q` (0 to 1) of the values lies, by the nearest rank. @throws XComposerError for no values */
export function percentile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const found = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]
  if (found === undefined) throw new XComposerError('a benchmark has no values: a percentile needs one')
  return found
}

/** (max - min) / median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values)
}

/** Adds runs up; `peer` is empty without a peer. */
export function summarise(name: string, ours: readonly number[], peer: readonly number[], better: Better = 'more'): Report {
  const mine = median(ours)
  const theirs = peer.length > 0 ? median(peer) : null
  const times = (theirs: number): number => (better === 'more' ? mine / theirs : theirs / mine)
  return {
    name,
    ours: digits(mine),
    peer: theirs === null ? null : digits(theirs),
    ratio: theirs === null ? null : digits(times(theirs)),
    runs: ours.length,
    spread: digits(spread(ours)),
  }
}

/** Four significant digits: more would be noise. */
export function digits(value: number): number {
  return Number(value.toPrecision(4))
}

/** Runs A B A B ..., so that whatever else the machine does falls on both; B may be absent. */
export async function interleave<T>(
  runs: number,
  a: () => Promise<T>,
  b: (() => Promise<T>) | undefined,
): Promise<{ a: T[]; b: T[] }> {
  const result: { a: T[]; b: T[] } = { a: [], b: [] }
  for (let run = 0; run < runs; run++) {
    result.a.push(await a())
    if (b) result.b.push(await b())
  }
  return result
}
