/** Images of a request, decoded, resized, and encoded to rows for the decoder. */
import { createHash } from 'node:crypto'
import { imageSize, type Reading, readImageFile } from '../image/decode.js'
import { type TiledPixels, tiledTokens, tileLayout } from '../image/tiles.js'
import { towerInput } from '../image/tower-input.js'
import type { XComposer } from '../inference/xcomposer.js'
import { DEFAULT_TILES } from '../model/config.js'
import { ImageCache } from './image-cache.js'

/** An image by file, or as bytes with a name for error messages. */
export type ImageSource = { readonly file: string } | { readonly bytes: Uint8Array; readonly name: string }

/** How images are prepared. */
export interface ImageOptions {
  /** Tiles an image of a tiled (4KHD) model may be cut into; default 25. Other models ignore it. */
  readonly maxTiles?: number
  /** Default 'upright'; 'reference' to compare with the reference's numbers. */
  readonly reading?: Reading
}

/** Rows of images seen before, by model: what an image is to one model is nothing to another. */
const caches = new WeakMap<XComposer, ImageCache>()

/** An image that was read and decoded: its rows if it was encoded before, otherwise what the tower takes. */
export interface OpenedImage {
  /** What it is, whatever its name. */
  readonly key: string
  readonly rows?: Float32Array
  readonly pixels?: Float32Array | TiledPixels
}

/**
 * Rows of each image, [tokens, hidden] each. An image that was encoded before, under whatever name, gives the same array again.
 * @throws InputError naming the file for anything that is not an image within the limits
 */
export async function encodeMessageImages(
  model: XComposer,
  pictures: readonly ImageSource[],
  options: ImageOptions = {},
): Promise<Float32Array[]> {
  return encodeOpened(model, await openImages(model, pictures, options))
}

/** The first half of encodePictures, in which every error of an image shows; nothing of the model runs. */
export async function openImages(
  model: XComposer,
  pictures: readonly ImageSource[],
  options: ImageOptions = {},
): Promise<OpenedImage[]> {
  if (pictures.length === 0) return []
  const { vision } = model.config
  if (!vision) await model.encodeImages(new Float32Array(0), 0)
  const tiles = vision?.tiled ? (options.maxTiles ?? DEFAULT_TILES) : 0
  const { reading = 'upright' } = options
  const size = vision?.imageSize ?? 0
  const loaded = await Promise.all(pictures.map(load))
  const keys = loaded.map(({ bytes }) => `${createHash('sha256').update(bytes).digest('hex')} ${tiles} ${reading}`)
  return Promise.all(
    loaded.map(async ({ bytes, name }, i): Promise<OpenedImage> => {
      const key = keys[i] as string
      const rows = cacheOf(model).get(key)
      if (rows) return { key, rows }
      if (keys.indexOf(key) < i) return { key }
      return { key, pixels: await towerInput(bytes, { size, maxTiles: tiles }, { name, reading }) }
    }),
  )
}

/** The second half of encodePictures. */
export async function encodeOpened(model: XComposer, pictures: readonly OpenedImage[]): Promise<Float32Array[]> {
  const cache = cacheOf(model)
  const rows = new Map<string, Float32Array>()
  const keep = (key: string, encoded: Float32Array) => {
    rows.set(key, encoded)
    cache.set(key, encoded)
  }
  const squashed: { key: string; pixels: Float32Array }[] = []
  for (const { key, rows: known, pixels } of pictures) {
    const found = known ?? cache.get(key)
    if (found) rows.set(key, found)
    else if (pixels instanceof Float32Array) squashed.push({ key, pixels })
    else if (pixels) keep(key, await model.encodeTiledImage(pixels))
  }
  const encoded = await encodeSquashed(
    model,
    squashed.map(({ pixels }) => pixels),
  )
  squashed.forEach(({ key }, i) => void keep(key, encoded[i] as Float32Array))
  return pictures.map(({ key }) => rows.get(key) as Float32Array)
}

function cacheOf(model: XComposer): ImageCache {
  const cache = caches.get(model) ?? new ImageCache()
  caches.set(model, cache)
  return cache
}

async function encodeSquashed(model: XComposer, images: readonly Float32Array[]): Promise<Float32Array[]> {
  if (images.length === 0) return []
  const each = images[0]?.length ?? 0
  const pixels = new Float32Array(new ArrayBuffer(images.length * each * 4))
  for (const [i, image] of images.entries()) pixels.set(image, i * each)
  const rows = await model.encodeImages(pixels, images.length)
  const width = rows.length / images.length
  return images.map((_, i) => rows.slice(i * width, (i + 1) * width))
}

/** Positions that each image takes in a prompt, without running the model. @throws InputError as encodePictures */
export async function imageTokens(
  model: XComposer,
  pictures: readonly ImageSource[],
  options: ImageOptions = {},
): Promise<number[]> {
  const { vision } = model.config
  if (!vision?.tiled) return pictures.map(() => vision?.tokens ?? 1)
  const { imageSize: tile, patchSize } = vision
  const counts: number[] = []
  for (const picture of pictures) {
    const { bytes, name } = await load(picture)
    const { width, height } = await imageSize(bytes, { name, reading: options.reading ?? 'upright' })
    const { tilesHigh, tilesWide } = tileLayout(width, height, options.maxTiles ?? DEFAULT_TILES, tile)
    counts.push(tiledTokens(tilesHigh, tilesWide, tile / patchSize / 2))
  }
  return counts
}

async function load(picture: ImageSource): Promise<{ bytes: Uint8Array; name: string }> {
  return 'file' in picture ? { bytes: await readImageFile(picture.file), name: picture.file } : picture
}
