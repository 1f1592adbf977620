/**
 * Continues an assembled prompt: images and prefill in the prompts' turn, then greedy or sampled decoding as a row of the model's scheduler, or
 * speculative or beam decoding on a sequence of its own. Chats, batches of chats and composition share it.
 */
import type { AbortCheck } from '../common/abort.js'
import { beamSearch } from '../generate/beam.js'
import { generate } from '../generate/generate.js'
import { MAX_DRAFT_IDS } from '../generate/speculative/draft.js'
import { generateWithLookup } from '../generate/speculative/prompt-lookup.js'
import { generateSpeculatively, type Proposer } from '../generate/speculative/speculative.js'
import type { ScheduledRow } from '../inference/scheduler.js'
import type { Prefilled, XComposer } from '../inference/xcomposer.js'
import type { PromptPart } from '../text/prompt.js'
import type { SeenImage } from './image-cache.js'
import { type ChatOptions, generation } from './options.js'
import { type ChatResult, type Clock, chatResult } from './result.js'
import { write, writeByBeams } from './write.js'

/** A prompt, and how its images are encoded when its turn comes. */
export interface AssembledPrompt {
  readonly parts: readonly PromptPart[]
  /** Rows of each image, by the number that the parts name. */
  readonly encode: () => Promise<readonly Float32Array[]>
  /** When the request began (performance.now). */
  readonly began: number
  /** How the images were seen, for the result. */
  readonly images?: readonly SeenImage[]
  /** Whether it is one of several that begin at the same time: then it is decoded when their prompts are computed. */
  readonly together?: boolean
}

/**
 * Yields pieces of the answer's text.
 * @param check looked at between two passes of the model
 * @param proposer of speculative decoding by a draft model
 */
export async function* continuePrompt(
  model: XComposer,
  prompt: AssembledPrompt,
  options: ChatOptions,
  check: AbortCheck,
  proposer?: Proposer,
): AsyncGenerator<string, ChatResult, void> {
  const { parts } = prompt
  const beams = options.beams ?? 1
  const scheduled = beams === 1 && !options.lookup && !proposer
  const { logits, sequence, row, cachedTokens, clock } = await start(model, prompt, { ...options, scheduled }, check)
  const { usage, settings: unchecked } = generation(model, parts, options)
  const settings = { ...unchecked, signal: check }
  const steps = () => {
    if (proposer) return generateSpeculatively(logits, sequence, { ...settings, proposer, maxDraft: MAX_DRAFT_IDS })
    return options.lookup
      ? generateWithLookup(logits, sequence, { ...settings, promptIds: idsAndPlaces(parts) })
      : generate(logits, row ?? sequence, settings)
  }
  let finished = false
  try {
    if (row && prompt.together) await model.decoder.scheduler.behindPrompts(row)
    const written =
      beams > 1
        ? yield* writeByBeams(model, beamSearch(logits, sequence, { ...settings, beams }), options.stop)
        : yield* write(model, steps(), options)
    finished = true
    return chatResult({ ...usage, cachedTokens }, written, clock, prompt.images)
  } finally {
    // A follow-up begins as this prompt did; a sequence that broke off in the middle is not to be trusted.
    if (finished && model.prefixes.isOn) model.decoder.keep(row ? row.keep() : sequence)
    else (row ?? sequence).dispose()
  }
}

interface Started extends Prefilled {
  readonly row: ScheduledRow | undefined
  readonly clock: Clock
}

/** Encodes and prefills a prompt when its turn comes. */
async function start(
  model: XComposer,
  { parts, encode, began, together = false }: AssembledPrompt,
  { scheduled, cacheScope = '' }: ChatOptions & { readonly scheduled: boolean },
  signal: AbortCheck,
): Promise<Started> {
  const { scheduler } = model.decoder
  if (scheduled) await scheduler.place(signal)
  try {
    return await scheduler.prompts.run(async () => {
      signal.throwIfAborted()
      const features = await encode()
      const encoded = performance.now()
      const prefilled = await model.prefill(parts, features, { signal, scope: cacheScope, scheduled })
      const row = scheduled ? scheduler.start(prefilled.sequence, signal, together) : undefined
      return { ...prefilled, row, clock: { began, encoded, prefilled: performance.now() } }
    })
  } catch (error) {
    if (scheduled) scheduler.giveBack()
    throw error
  }
}

/** A prompt's ids, with -1 in the place of each image. */
function idsAndPlaces(parts: readonly PromptPart[]): number[] {
  return parts.flatMap((part) => (part.kind === 'text' ? part.ids : [-1]))
}
