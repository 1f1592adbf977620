/**
 * What guessing ahead gains for an answer that quotes its prompt to a known degree, whatever the model: the prompt holds a document of ordinary
 * ids, and the answer, which is dictated, is that document or differs from it at every n-th id. Every pass through the model is made in
 * full; only its choice is not its own. So the speed is that of a real quotation, and random weights will do.
 */

import { random } from '../src/common/random.js'
import type { RewindableSequence } from '../src/inference/sequence.js'
import type { XComposer } from '../src/inference/xcomposer.js'
import type { BenchContext } from './benchmark.js'
import { type Acceptance, acceptance, type LookupRun, type Prompt, rateOf, timedRun } from './lookup-runs.js'
import { digits, median } from './samples.js'

/** Ids of the document, and of the answer. */
const LENGTH = 96
/** The document differs from the answer at every n-th id; 0: nowhere. */
const CHANGED = [0, 16, 8, 4]

export interface Quotation {
  /** Every n-th id of the document is another; null where the answer stands in it word for word. */
  readonly changedEvery: number | null
  readonly tokensPerSecond: number
  /** Beside decoding without guesses. */
  readonly ratio: number
  readonly acceptance: Acceptance
}

/** Speeds with guesses for each degree, and without. */
export async function quotations(model: XComposer, o: BenchContext) {
  const width = model.config.decoder.vocabularySize
  const draw = random(3, 0)
  const answer = Array.from({ length: LENGTH }, () => 260 + draw.below(width - 260))
  const options = { maxNewTokens: LENGTH }
  const cases: { readonly every: number; readonly prompt: Prompt; readonly runs: LookupRun[] }[] = []
  const plain: LookupRun[] = []
  try {
    for (const every of CHANGED) {
      const ids = [model.tokenizer.bosId, ...changed(answer, every, width)]
      const prefilled = await model.prefill([{ kind: 'text', ids }], [])
      cases.push({ every, prompt: dictated({ ids, ...prefilled }, answer), runs: [] })
    }
    const [verbatim] = cases
    for (let run = 0; verbatim && run < o.runs; run++) {
      plain.push(await timedRun(verbatim.prompt, undefined, options))
      for (const { prompt, runs } of cases) runs.push(await timedRun(prompt, prompt.ids, options))
    }
  } finally {
    for (const { prompt } of cases) prompt.sequence.dispose()
  }
  const speeds = (runs: readonly LookupRun[]): number[] => runs.map((run) => rateOf([run]))
  const without = median(speeds(plain))
  const table = cases.map(({ every, runs }): Quotation => {
    const speed = median(speeds(runs))
    return {
      changedEvery: every || null,
      tokensPerSecond: digits(speed),
      ratio: digits(speed / without),
      acceptance: acceptance(runs.slice(0, 1)),
    }
  })
  for (const { changedEvery, ratio, acceptance: a } of table) {
    const kind = changedEvery ? `with every ${changedEvery}th id changed` : 'word for word'
    o.print(`quoting ${kind}: ${ratio} x, ${(100 * a.share).toFixed(0)} % of the guesses accepted`)
  }
  return { tokens: LENGTH, without: speeds(plain), verbatim: speeds(cases[0]?.runs ?? []), table }
}

/**
 * A prompt whose answer is dictated: every pass through the model is made, but of its logits the dictated id's is raised above all.
 * The caller goes on owning the prompt's sequence.
 */
export function dictated(prompt: Prompt, answer: readonly number[]): Prompt {
  const start = prompt.sequence.length
  const raised = (logits: Float32Array, at: number): Float32Array => {
    const id = answer[at - start]
    if (id !== undefined) logits[id] = 1e30
    return logits
  }
  const wrap = (sequence: RewindableSequence): RewindableSequence => ({
    get length() {
      return sequence.length
    },
    append: async (ids) => raised(await sequence.append(ids), sequence.length),
    async appendAll(ids) {
      const before = sequence.length
      return (await sequence.appendAll(ids)).map((logits, i) => raised(logits, before + i + 1))
    },
    rewind: (length) => sequence.rewind(length),
    dispose: () => sequence.dispose(),
  })
  return { ...prompt, logits: raised(prompt.logits.slice(), start), sequence: wrap(prompt.sequence) }
}

/** The document with every `every`-th id replaced by another, so that guesses from it fail there; 0 changes none. */
export function changed(ids: readonly number[], every: number, vocabularySize: number): number[] {
  return ids.map((id, i) => (every > 0 && i % every === every - 1 ? (id + 1) % vocabularySize : id))
}
