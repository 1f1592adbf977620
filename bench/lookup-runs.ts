/**
 * Timed greedy decoding with and without speculation, from a prompt that was prefilled once; and how many proposed ids were accepted.
 * It does not know what is decoded.
 */
import { generate } from '../src/generate/generate.js'
import { generateWithLookup } from '../src/generate/speculative/prompt-lookup.js'
import type { RewindableSequence } from '../src/inference/sequence.js'
import { digits } from './samples.js'

/** A prefilled prompt: its ids, the logits after it, and the sequence that runs continue and take back. */
export interface Prompt {
  readonly ids: readonly number[]
  readonly logits: Float32Array
  readonly sequence: RewindableSequence
}

/** One pass that verifies a draft. */
export interface LookupStep {
  /** Tokens of the answer before the draft. */
  readonly at: number
  readonly draft: readonly number[]
}

export interface LookupRun {
  readonly ids: readonly number[]
  /** From the first token, which the prompt's pass gives, to the last. */
  readonly seconds: number
  /** Without speculation: none. */
  readonly steps: readonly LookupStep[]
}

/** How well the drafts did. */
export interface Acceptance {
  readonly proposed: number
  readonly accepted: number
  /** accepted / proposed; 0 where nothing was proposed. */
  readonly share: number
  /** Passes through the model. */
  readonly passes: number
}

/** Sums over runs: a draft is accepted as far as it is what the answer says. */
export function acceptance(runs: readonly Pick<LookupRun, 'ids' | 'steps'>[]): Acceptance {
  const sum = { proposed: 0, accepted: 0, passes: 0 }
  for (const { ids, steps } of runs) {
    for (const { at, draft } of steps) {
      const wrong = draft.findIndex((id, i) => id !== ids[at + i])
      sum.accepted += wrong < 0 ? draft.length : wrong
      sum.proposed += draft.length
      sum.passes++
    }
  }
  return { ...sum, share: digits(sum.proposed > 0 ? sum.accepted / sum.proposed : 0) }
}

/** Writes down the draft of each pass. */
function watched(sequence: RewindableSequence, steps: LookupStep[]): RewindableSequence {
  const start = sequence.length
  return {
    get length() {
      return sequence.length
    },
    append: (ids) => sequence.append(ids),
    appendAll(ids) {
      steps.push({ at: sequence.length - start + 1, draft: ids.slice(1) })
      return sequence.appendAll(ids)
    },
    rewind: (length) => sequence.rewind(length),
    dispose: () => sequence.dispose(),
  }
}

/**
 * Decodes behind the prompt, and takes back what it appended.
 * @param lookIn ids to look up drafts in; undefined: plain greedy decoding
 */
export async function timedRun(
  prompt: Prompt,
  lookIn: readonly number[] | undefined,
  options: { readonly maxNewTokens: number; readonly stopIds?: readonly number[] },
): Promise<LookupRun> {
  const steps: LookupStep[] = []
  const { sequence } = prompt
  const { length } = sequence
  try {
    const ids: number[] = []
    let start = performance.now()
    const tokens = lookIn
      ? generateWithLookup(prompt.logits, watched(sequence, steps), { ...options, promptIds: lookIn })
      : generate(prompt.logits, sequence, options)
    for await (const token of tokens) {
      if (ids.length === 0) start = performance.now()
      ids.push(token.id)
    }
    return { ids, seconds: (performance.now() - start) / 1000, steps }
  } finally {
    sequence.rewind(length)
  }
}

/** Whether both chose the same. */
export function sameIds(a: Pick<LookupRun, 'ids'> | undefined, b: Pick<LookupRun, 'ids'> | undefined): boolean {
  return a?.ids.join() === b?.ids.join()
}

/** Tokens a second over several runs. */
export function rateOf(runs: readonly LookupRun[]): number {
  const tokens = runs.reduce((n, r) => n + Math.max(0, r.ids.length - 1), 0)
  return tokens / runs.reduce((s, r) => s + r.seconds, 0)
}
