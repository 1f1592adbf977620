/** A prompt of text and images as the rows that the decoder reads. */
import { InputError } from '../common/errors.js'
import type { PromptPart } from '../text/prompt.js'
import type { DecoderRuntime } from './decoder-runtime.js'

/** Numbers for images, by the identity of their rows. */
const imageNumbers = new WeakMap<Float32Array, number>()
let images = 0
/** More rows than an image can have. */
const MAX_IMAGE_ROWS = 2 ** 24

function imageNumber(rows: Float32Array): number {
  const known = imageNumbers.get(rows)
  if (known !== undefined) return known
  imageNumbers.set(rows, ++images)
  return images
}

/**
 * Concatenates text embeddings and image rows in prompt order. `content` says what stands at each position: an id, or for a row of
 * an image a negative number that no other image has.
 */
export function promptRows(decoder: DecoderRuntime, parts: readonly PromptPart[], features: readonly Float32Array[]) {
  const width = decoder.config.decoder.hiddenSize
  const pieces: Float32Array[] = []
  const imageColumns: number[] = []
  const content: number[] = []
  for (const part of parts) {
    if (part.kind === 'text') {
      pieces.push(decoder.store.embed(part.ids))
      content.push(...part.ids)
      continue
    }
    const rows = features[part.image]
    if (!rows) throw new InputError(`the prompt names image ${part.image + 1}, but only ${features.length} were given`)
    pieces.push(rows.subarray(0, part.tokens * width))
    const number = imageNumber(rows)
    for (let i = 0; i < part.tokens; i++) {
      imageColumns.push(content.length)
      content.push(-(number * MAX_IMAGE_ROWS + i))
    }
  }
  const tokens = content.length
  const rows = new Float32Array(new ArrayBuffer(tokens * width * 4))
  let at = 0
  for (const piece of pieces) {
    rows.set(piece, at)
    at += piece.length
  }
  return { rows, tokens, imageColumns, content }
}
