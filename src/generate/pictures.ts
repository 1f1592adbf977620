/** Pictures of a request, decoded, resized, and encoded to rows for the decoder. */
import { createHash } from 'node:crypto'
import { decodeImage, type RgbImage, readImageFile } from '../image/decode.js'
import { preprocess } from '../image/preprocess.js'
import { tiledTokens, tileLayout, tilePixels } from '../image/tiles.js'
import { DEFAULT_TILES } from '../model/config.js'
import type { XComposer } from '../model/xcomposer.js'
import { PictureCache } from './picture-cache.js'

/** A picture by file, or as bytes with a name for error messages. */
export type Picture = { readonly file: string } | { readonly bytes: Uint8Array; readonly name: string }

/** How pictures are prepared. */
export interface PictureOptions {
  /** Tiles a picture of a tiled (4KHD) model may be cut into; default 25. Other models ignore it. */
  readonly hdNum?: number
}

/** Rows of pictures seen before, by model: what a picture is to one model is nothing to another. */
const caches = new WeakMap<XComposer, PictureCache>()

/**
 * Rows of each picture, [tokens, hidden] each. A picture that was encoded before, under whatever name, gives the same array again.
 * @throws InputError naming the file for anything that is not a picture within the limits
 */
export async function encodePictures(
  model: XComposer,
  pictures: readonly Picture[],
  options: PictureOptions = {},
): Promise<Float32Array[]> {
  if (pictures.length === 0) return []
  const { vision } = model.config
  if (!vision) await model.encodeImages(new Float32Array(0), 0)
  const cache = caches.get(model) ?? new PictureCache()
  caches.set(model, cache)
  const tiles = vision?.tiled ? (options.hdNum ?? DEFAULT_TILES) : 0
  const loaded = await Promise.all(pictures.map(load))
  const keys = loaded.map(({ bytes }) => `${createHash('sha256').update(bytes).digest('hex')} ${tiles}`)
  const rows = new Map(keys.map((key) => [key, cache.get(key)]))
  const fresh = loaded.filter((_, i) => rows.get(keys[i] as string) === undefined && keys.indexOf(keys[i] as string) === i)
  const images = await Promise.all(fresh.map(({ bytes, name }) => decodeImage(bytes, { name })))
  const encoded = tiles > 0 ? await encodeTiled(model, images, tiles) : await encodeSquashed(model, images)
  fresh.forEach((picture, i) => {
    const key = keys[loaded.indexOf(picture)] as string
    rows.set(key, encoded[i])
    cache.set(key, encoded[i] as Float32Array)
  })
  return keys.map((key) => rows.get(key) as Float32Array)
}

async function encodeTiled(model: XComposer, images: readonly RgbImage[], tiles: number): Promise<Float32Array[]> {
  const rows: Float32Array[] = []
  for (const image of images)
    rows.push(await model.encodeTiledImage(tilePixels(image, tiles, model.config.vision?.imageSize ?? 0)))
  return rows
}

async function encodeSquashed(model: XComposer, images: readonly RgbImage[]): Promise<Float32Array[]> {
  if (images.length === 0) return []
  const size = model.config.vision?.imageSize ?? 0
  const pixels = new Float32Array(new ArrayBuffer(images.length * 3 * size * size * 4))
  for (const [i, image] of images.entries()) pixels.set(preprocess(image, size), i * 3 * size * size)
  const rows = await model.encodeImages(pixels, images.length)
  const each = rows.length / images.length
  return images.map((_, i) => rows.slice(i * each, (i + 1) * each))
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

async function load(picture: Picture): Promise<{ bytes: Uint8Array; name: string }> {
  return 'file' in picture ? { bytes: await readImageFile(picture.file), name: picture.file } : picture
}

async function decode(picture: Picture): Promise<RgbImage> {
  const { bytes, name } = await load(picture)
  return decodeImage(bytes, { name })
}
