/** A dump's prompt: stretches of ids and places of pictures, with the rows that the model made of the pictures. */
import type { DecoderModel } from '../model/decoder-model.js'
import { promptRows } from '../model/prompt-rows.js'
import type { PromptPart } from '../text/prompt.js'

/** As cases.json of goldens/vlm has them. */
export type Segment = { type: 'text'; ids: number[] } | { type: 'image'; image: number }

/**
 * The rows of a case's prompt.
 * @param projected rows of all pictures one after the other, [images * tokens, hidden]
 */
export function segmentRows(model: DecoderModel, segments: readonly Segment[], projected: Float32Array, images: number) {
  const tokens = model.config.vision?.tokens ?? 0
  const each = tokens * model.config.decoder.hiddenSize
  const features = Array.from({ length: images }, (_, i) => projected.subarray(i * each, (i + 1) * each))
  const parts = segments.map(
    (s): PromptPart => (s.type === 'text' ? { kind: 'text', ids: s.ids } : { kind: 'image', image: s.image, tokens }),
  )
  return promptRows(model, parts, features)
}
