/**
 * Images of a request, in two steps: opened (read, decoded, prepared; every error of an image shows here, and nothing of the model
 * runs), then encoded to rows for the decoder.
 */
import { createHash } from 'node:crypto'
import type { AbortCheck } from '../common/abort.js'
import { InputError } from '../common/errors.js'
import type { Reading } from '../image/decode.js'
import { type ImageSource, readImageSource } from '../image/source.js'
import type { TiledPixels } from '../image/tiles.js'
import { towerInput } from '../image/tower-input.js'
import { IMAGES_PER_PASS } from '../inference/vision-runtime.js'
import type { XComposer } from '../inference/xcomposer.js'
import { DEFAULT_TILES } from '../model/config.js'
import { imageTokens } from '../model/image-rows.js'
import { type EncodedImage, ImageCache, type SeenImage } from './image-cache.js'
import type { NamedImage } from './messages.js'

/** How images are prepared. */
export interface ImageOptions {
  /** Tiles an image of a tiled (4KHD) model may be cut into; default 25. Other models ignore it. */
  readonly maxTiles?: number
  /** Default 'upright'; 'reference' to compare with the reference's numbers. */
  readonly reading?: Reading
  /** Requests of different scopes share nothing that is kept, neither images nor prompts; default ''. */
  readonly cacheScope?: string
}

/** Rows of images seen before, by model: what an image is to one model is nothing to another. */
const caches = new WeakMap<XComposer, ImageCache>()

/** An image that was read and decoded: its rows if it was encoded before, otherwise what the tower takes. */
export interface OpenedImage {
  /** What it is, whatever its name, and whose. */
  readonly key: string
  /** Positions that it takes in a prompt. */
  readonly tokens: number
  readonly seen: SeenImage
  readonly rows?: Float32Array
  readonly pixels?: Float32Array | TiledPixels
}

/**
 * Rows of each image, [tokens, hidden] each. An image that was encoded before, under whatever name, gives the same array again.
 * @throws InputError (code `invalid_image`) naming what is not an image within the limits
 */
export async function encodeMessageImages(
  model: XComposer,
  images: readonly ImageSource[],
  options: ImageOptions = {},
): Promise<Float32Array[]> {
  const named = images.map((source, i) => ({ source, name: `image ${i + 1}` }))
  return encodeOpened(model, await openImages(model, named, options))
}

/** How images that were opened were seen, in order. */
export function seenImages(images: readonly OpenedImage[]): SeenImage[] {
  return images.map(({ seen }) => seen)
}

/** Reads and decodes images. @throws InputError as encodeMessageImages */
export async function openImages(
  model: XComposer,
  images: readonly NamedImage[],
  options: ImageOptions = {},
): Promise<OpenedImage[]> {
  if (images.length === 0) return []
  const { vision } = model.config
  if (!vision) throw new InputError(`${model.name}: this model has no vision tower; ask without images`)
  const { reading = 'upright', cacheScope = '' } = options
  const opened = new Map<string, Promise<OpenedImage>>()
  return Promise.all(
    images.map(async (image) => {
      const { bytes, name } = await readImageSource(image.source, image.name)
      const tiles = vision.tiled ? (image.maxTiles ?? options.maxTiles ?? DEFAULT_TILES) : 0
      const key = `${createHash('sha256').update(bytes).digest('hex')} ${tiles} ${reading} ${cacheScope}`
      const found = opened.get(key) ?? open(key, bytes, name, tiles)
      opened.set(key, found)
      return found
    }),
  )

  async function open(key: string, bytes: Uint8Array, name: string, tiles: number): Promise<OpenedImage> {
    const { imageSize } = vision as NonNullable<typeof vision>
    const known = imageCacheOf(model).get(key)
    if (known) return { key, ...known, tokens: known.seen.tokens }
    const pixels = await towerInput(bytes, { size: imageSize, maxTiles: tiles }, { name, reading })
    const grid = pixels instanceof Float32Array ? undefined : pixels
    const tokens = imageTokens(model.config, grid)
    const [width, height] = [imageSize * (grid?.tilesWide ?? 1), imageSize * (grid?.tilesHigh ?? 1)]
    return { key, pixels, tokens, seen: { width, height, tokens } }
  }
}

/** Rows of opened images, [tokens, hidden] each, a few images at a time. @param check looked at before each pass */
export async function encodeOpened(
  model: XComposer,
  images: readonly OpenedImage[],
  check?: AbortCheck,
): Promise<Float32Array[]> {
  const cache = imageCacheOf(model)
  const found = new Map<string, Rows | Promise<Rows>>()
  let left = images
  for (;;) {
    check?.throwIfAborted()
    // Looked up before each pass: another request may have begun with an image meanwhile.
    for (const { key, rows } of left) if (!found.has(key)) note(key, rows ? { rows } : cache.find(key))
    left = left.filter(({ key }) => !found.has(key))
    const next = passOf(left)
    if (next.length === 0) break
    const rows = encodePass(model, next)
    next.forEach(({ key, seen }, i) => {
      const own = rows.then((all) => ({ rows: all[i] as Float32Array, seen }))
      cache.begin(key, own)
      note(key, own)
    })
    await rows
  }
  const encoded = await Promise.all(images.map(({ key }) => found.get(key) as Rows | Promise<Rows>))
  return encoded.map(({ rows }) => rows)

  function note(key: string, rows: Rows | Promise<Rows> | undefined): void {
    if (rows) found.set(key, rows)
  }
}

type Rows = Pick<EncodedImage, 'rows'>

/** The image features that are kept of a model. */
export function imageCacheOf(model: XComposer): ImageCache {
  const cache = caches.get(model) ?? new ImageCache(model.imageCacheBytes)
  caches.set(model, cache)
  return cache
}

/** Images that are encoded together: a tiled one alone, others up to the tower's number. */
function passOf(left: readonly OpenedImage[]): OpenedImage[] {
  const distinct = [...new Map(left.map((image) => [image.key, image])).values()]
  const tiled = distinct.find(({ pixels }) => !(pixels instanceof Float32Array))
  return tiled ? [tiled] : distinct.slice(0, IMAGES_PER_PASS)
}

async function encodePass(model: XComposer, images: readonly OpenedImage[]): Promise<Float32Array[]> {
  const first = images[0]?.pixels
  if (first && !(first instanceof Float32Array)) return [await model.encodeTiledImage(first)]
  const each = first?.length ?? 0
  const pixels = new Float32Array(new ArrayBuffer(images.length * each * 4))
  for (const [i, image] of images.entries()) pixels.set(image.pixels as Float32Array, i * each)
  const rows = await model.encodeImages(pixels, images.length)
  const width = rows.length / images.length
  return images.map((_, i) => rows.slice(i * width, (i + 1) * width))
}
