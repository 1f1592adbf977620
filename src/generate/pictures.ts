/** Pictures of a request, decoded, resized, and encoded to rows for the decoder. */
import { decodeImage } from '../image/decode.js'
import { preprocess } from '../image/preprocess.js'
import { tiledTokens, tileLayout, tilePixels } from '../image/tiles.js'
import { DEFAULT_TILES } from '../model/config.js'
import type { XComposer } from '../model/xcomposer.js'

/** A picture by file, or as bytes with a name for error messages. */
export type Picture = { readonly file: string } | { readonly bytes: Uint8Array; readonly name: string }

/** How pictures are prepared. */
export interface PictureOptions {
  /** Tiles a picture of a tiled (4KHD) model may be cut into; default 25. Other models ignore it. */
  readonly hdNum?: number
}

/**
 * Rows of each picture, [tokens, hidden] each.
 * @throws InputError naming the file for anything that is not a picture within the limits
 */
export async function encodePictures(
  model: XComposer,
  pictures: readonly Picture[],
  options: PictureOptions = {},
): Promise<Float32Array[]> {
  if (pictures.length === 0) return []
  const vision = model.config.vision
  const size = vision?.imageSize ?? 0
  if (!size) await model.encodeImages(new Float32Array(0), 0)
  if (vision?.tiled) {
    const rows: Float32Array[] = []
    for (const picture of pictures) {
      rows.push(await model.encodeTiledImage(tilePixels(await decode(picture), options.hdNum ?? DEFAULT_TILES, size)))
    }
    return rows
  }
  const pixels = new Float32Array(new ArrayBuffer(pictures.length * 3 * size * size * 4))
  for (const [i, picture] of pictures.entries()) pixels.set(preprocess(await decode(picture), size), i * 3 * size * size)
  const rows = await model.encodeImages(pixels, pictures.length)
  const each = rows.length / pictures.length
  return pictures.map((_, i) => rows.subarray(i * each, (i + 1) * each))
}

/** Positions that each picture takes in a prompt, without running the model. @throws InputError as encodePictures */
export async function imageTokens(
  model: XComposer,
  pictures: readonly Picture[],
  options: PictureOptions = {},
): Promise<number[]> {
  const { vision } = model.config
  if (!vision?.tiled) return pictures.map(() => vision?.tokens ?? 1)
  const { imageSize, patchSize } = vision
  const counts: number[] = []
  for (const picture of pictures) {
    const { width, height } = await decode(picture)
    const { tilesHigh, tilesWide } = tileLayout(width, height, options.hdNum ?? DEFAULT_TILES, imageSize)
    counts.push(tiledTokens(tilesHigh, tilesWide, imageSize / patchSize / 2))
  }
  return counts
}

const decode = (picture: Picture) =>
  'file' in picture ? decodeImage(picture.file) : decodeImage(picture.bytes, { name: picture.name })
