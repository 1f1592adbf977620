/** A dump's prompt: stretches of ids and places of images, with the rows that the model made of the images. */
import type { DecoderRuntime } from '../inference/decoder-runtime.js'
import { promptRows } from '../inference/prompt-rows.js'
import { imageTokens } from '../model/image-rows.js'
import type { PromptPart } from '../text/prompt.js'

/** As cases.json of goldens/vlm has them. */
export type Segment = { type: 'text'; ids: number[] } | { type: 'image'; image: number }

/**
 * The rows of a case's prompt.
 * @param projected rows of all images one after the other, [images * tokens, hidden]
 */
export function segmentRows(model: DecoderRuntime, segments: readonly Segment[], projected: Float32Array, images: number) {
  const tokens = imageTokens(model.config)
  const each = tokens * model.config.decoder.hiddenSize
  const features = Array.from({ length: images }, (_, i) => projected.subarray(i * each, (i + 1) * each))
  const parts = segments.map(
    (s): PromptPart => (s.type === 'text' ? { kind: 'text', ids: s.ids } : { kind: 'image', image: s.image, tokens }),
  )
  return promptRows(model, parts, features)
}
