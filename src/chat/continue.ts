/** Continues an assembled prompt: prefill, then greedy, sampled, speculative or beam decoding. Chat and composition share it. */
import type { AbortCheck } from '../common/abort.js'
import { beamSearch } from '../generate/beam.js'
import { generate } from '../generate/generate.js'
import { MAX_DRAFT_IDS } from '../generate/speculative/draft.js'
import { generateWithLookup } from '../generate/speculative/prompt-lookup.js'
import { generateSpeculatively, type Proposer } from '../generate/speculative/speculative.js'
import type { XComposer } from '../inference/xcomposer.js'
import type { PromptPart } from '../text/prompt.js'
import type { SeenImage } from './image-cache.js'
import { type ChatOptions, generation } from './options.js'
import { type ChatResult, type Clock, chatResult } from './result.js'
import { write, writeByBeams } from './write.js'

/** A prompt whose images are encoded. */
export interface EncodedPrompt {
  readonly parts: readonly PromptPart[]
  /** Rows of each image, by the number that the parts name. */
  readonly features: readonly Float32Array[]
  /** When the request began and when its images were encoded (performance.now). */
  readonly clock: Omit<Clock, 'prefilled'>
  /** How the images were seen, for the result. */
  readonly images?: readonly SeenImage[]
}

/**
 * Yields pieces of the answer's text.
 * @param check looked at between two passes of the model
 * @param proposer of speculative decoding by a draft model
 */
export async function* continuePrompt(
  model: XComposer,
  { parts, features, clock, images }: EncodedPrompt,
  options: ChatOptions,
  check: AbortCheck,
  proposer?: Proposer,
): AsyncGenerator<string, ChatResult, void> {
  const { logits, sequence } = await model.prefill(parts, features, { signal: check })
  const prefilled = performance.now()
  const { usage, settings: unchecked } = generation(model, parts, options)
  const settings = { ...unchecked, signal: check }
  const steps = () => {
    if (proposer) return generateSpeculatively(logits, sequence, { ...settings, proposer, maxDraft: MAX_DRAFT_IDS })
    return options.lookup
      ? generateWithLookup(logits, sequence, { ...settings, promptIds: idsAndPlaces(parts) })
      : generate(logits, sequence, settings)
  }
  let finished = false
  try {
    const written =
      options.beams && options.beams > 1
        ? yield* writeByBeams(model, beamSearch(logits, sequence, { ...settings, beams: options.beams }), options.stop)
        : yield* write(model, steps(), options)
    finished = true
    return chatResult(usage, written, { ...clock, prefilled }, images)
  } finally {
    // A follow-up begins as this prompt did; a sequence that broke off in the middle is not to be trusted.
    if (finished) model.prefixes.put(sequence)
    else sequence.dispose()
  }
}

/** A prompt's ids, with -1 in the place of each image. */
function idsAndPlaces(parts: readonly PromptPart[]): number[] {
  return parts.flatMap((part) => (part.kind === 'text' ? part.ids : [-1]))
}
