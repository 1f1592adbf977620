/** A prompt of text and pictures as the rows that the decoder reads. */
import { InputError } from '../errors.js'
import type { PromptPart } from '../text/prompt.js'
import type { DecoderModel } from './decoder-model.js'

/** Numbers for pictures, by the identity of their rows. */
const pictureNumbers = new WeakMap<Float32Array, number>()
let pictures = 0
/** More rows than a picture can have. */
const MOST_ROWS = 2 ** 24

function pictureNumber(rows: Float32Array): number {
  const known = pictureNumbers.get(rows)
  if (known !== undefined) return known
  pictureNumbers.set(rows, ++pictures)
  return pictures
}

/**
 * Concatenates text embeddings and picture rows in prompt order. `content` says what stands at each position: an id, or for a row of
 * a picture a negative number that no other picture has.
 */
export function promptRows(decoder: DecoderModel, parts: readonly PromptPart[], features: readonly Float32Array[]) {
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
    if (!rows) throw new InputError(`the prompt names picture ${part.image + 1}, but only ${features.length} were given`)
    pieces.push(rows.subarray(0, part.tokens * width))
    const number = pictureNumber(rows)
    for (let i = 0; i < part.tokens; i++) {
      imageColumns.push(content.length)
      content.push(-(number * MOST_ROWS + i))
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
