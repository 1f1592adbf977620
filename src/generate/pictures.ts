/** Pictures of a request, decoded, resized, and encoded to rows for the decoder. */
import { decodeImage } from '../image/decode.js'
import { preprocess } from '../image/preprocess.js'
import type { XComposer } from '../model/xcomposer.js'

/** A picture by file, or as bytes with a name for error messages. */
export type Picture = { readonly file: string } | { readonly bytes: Uint8Array; readonly name: string }

/**
 * Rows of each picture, [tokens, hidden] each.
 * @throws InputError naming the file for anything that is not a picture within the limits
 */
export async function encodePictures(model: XComposer, pictures: readonly Picture[]): Promise<Float32Array[]> {
  if (pictures.length === 0) return []
  const size = model.config.vision?.imageSize ?? 0
  if (!size) await model.encodeImages(new Float32Array(0), 0)
  const pixels = new Float32Array(new ArrayBuffer(pictures.length * 3 * size * size * 4))
  for (const [i, picture] of pictures.entries()) {
    const image = 'file' in picture ? await decodeImage(picture.file) : await decodeImage(picture.bytes, { name: picture.name })
    pixels.set(preprocess(image, size), i * 3 * size * size)
  }
  const rows = await model.encodeImages(pixels, pictures.length)
  const each = rows.length / pictures.length
  return pictures.map((_, i) => rows.subarray(i * each, (i + 1) * each))
}
