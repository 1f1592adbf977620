/** Greedy and beam continuations against golden ids, shared by the decoder and vlm folders (SPEC 9). */
import { beamSearch } from '../generate/beam.js'
import { generate } from '../generate/generate.js'
import { generateWithLookup } from '../generate/speculative/prompt-lookup.js'
import type { DecoderSequence } from '../inference/decoder-runtime.js'
import type { CaseResult } from './check.js'

/** Starts a fresh sequence with the prompt; returns its logits. */
export type Start = () => Promise<{ logits: Float32Array; sequence: DecoderSequence }>

/** What one case asks for; ids include the stop id where one ended the continuation. */
export interface Continuation {
  readonly name: string
  readonly wanted: readonly number[]
  readonly beams?: number
  readonly stopIds?: readonly number[]
  /** Most new ids; by default 24 with stop ids, as many as wanted without. */
  readonly limit?: number
  readonly repetitionPenalty?: number
  readonly contextIds?: readonly number[]
  /** Greedy with guesses looked up in these ids and in the answer. */
  readonly promptIds?: readonly number[]
  /** The length rule of transformers 4.33. */
  readonly oldLengthRule?: boolean
  readonly score?: number
}

/** A greedy continuation decoded twice, one id at a time and with guesses from the prompt: both must be the golden's. */
export async function* greedyBothWays(start: Start, c: Continuation, promptIds: readonly number[]): AsyncGenerator<CaseResult> {
  yield await continuation(start, c)
  yield await continuation(start, { ...c, name: `${c.name}, looked up`, promptIds })
}

/** Runs one continuation of as many new ids as wanted, or up to 24 with stop ids. */
export async function continuation(start: Start, c: Continuation): Promise<CaseResult> {
  const { logits, sequence } = await start()
  const shared = {
    maxNewTokens: c.limit ?? (c.stopIds ? 24 : c.wanted.length),
    ...(c.stopIds ? { stopIds: c.stopIds } : {}),
    ...(c.repetitionPenalty ? { repetitionPenalty: c.repetitionPenalty } : {}),
    ...(c.contextIds ? { contextIds: c.contextIds } : {}),
  }
  try {
    let ids: number[] = []
    let scoreError: number | undefined
    if (c.beams) {
      const rule = c.oldLengthRule ? { lengthRule: 'sequence' as const } : {}
      const best = (await beamSearch(logits, sequence, { beams: c.beams, ...shared, ...rule }))[0]
      ids = [...(best?.ids ?? []), ...(best?.stopId === undefined ? [] : [best.stopId])]
      if (c.score !== undefined) scoreError = Math.abs((best?.score ?? Number.NaN) - c.score)
    } else {
      const steps = c.promptIds
        ? generateWithLookup(logits, sequence, { ...shared, promptIds: c.promptIds })
        : generate(logits, sequence, shared)
      for (;;) {
        const step = await steps.next()
        if (!step.done) ids.push(step.value.id)
        else {
          if (step.value.reason === 'stop') ids.push(step.value.stopId)
          break
        }
      }
    }
    const same = sameIds(ids, c.wanted, c.stopIds ?? [])
    const passed = same && (scoreError === undefined || scoreError < 1e-3)
    const detail = passed ? `${ids.length} ids` : `got ${ids.join(' ')}, wanted ${c.wanted.join(' ')}`
    return { name: c.name, passed, ...(scoreError === undefined ? {} : { largestError: scoreError }), detail }
  } finally {
    sequence.dispose()
  }
}

/** Older versions of the reference write the first stop id whatever id stopped: terminators only have to be stop ids. */
function sameIds(a: readonly number[], b: readonly number[], stops: readonly number[]): boolean {
  return (
    a.length === b.length &&
    a.every((id, i) => id === b[i] || (i === a.length - 1 && stops.includes(id) && stops.includes(b[i] as number)))
  )
}
