/**
 * The tiled images of the 4KHD variant (SPEC 6): an image is enlarged to as many tiles as a budget allows, padded with
 * white to whole tiles, and seen once more as a whole at the size of one tile. Knows pixels, not models.
 */
import { InputError } from '../common/errors.js'
import { interpolatePlanes } from './interpolate.js'
import type { RgbImage } from './pixels.js'
import { normalise } from './preprocess.js'
import { resize } from './resize.js'

/** How an image of some size is laid out. Sizes are [width, height] of the upright image unless said otherwise. */
export interface TileLayout {
  /** Portrait images are laid out lying (mirrored at the main diagonal) and turned back at the end. */
  readonly transposed: boolean
  /** Of the lying image, before and after white rows are added above and below. */
  readonly resized: readonly [number, number]
  readonly padTop: number
  readonly padBottom: number
  readonly padded: readonly [number, number]
  readonly final: readonly [number, number]
  readonly tilesWide: number
  readonly tilesHigh: number
}

/** A laid out image: canvas [3, height, width] and the whole at tile size [3, tile, tile], both normalised. */
export interface TiledPixels {
  readonly canvas: Float32Array
  readonly whole: Float32Array
  readonly tilesWide: number
  readonly tilesHigh: number
}

const WHITE = 255

/**
 * The layout for a budget of `maxTiles` tiles.
 * @throws InputError when sizes or budget are not positive whole numbers
 */
export function tileLayout(width: number, height: number, maxTiles: number, tile: number): TileLayout {
  for (const [name, n] of Object.entries({ width, height, maxTiles, tile })) {
    if (!Number.isInteger(n) || n < 1) throw new InputError(`${name}: got ${n}, expected a positive whole number`)
  }
  const transposed = width < height
  const ratio = transposed ? height / width : width / height
  let scale = 1
  while (scale * Math.ceil(scale / ratio) <= maxTiles) scale++
  scale--
  const newWidth = tile * scale
  // The reference fails where an extreme ratio leaves no row.
  const newHeight = Math.max(1, Math.trunc(newWidth / ratio))
  const paddedHeight = Math.ceil(newHeight / tile) * tile
  const pad = paddedHeight - newHeight
  const padTop = Math.trunc(pad / 2)
  const lying = [newWidth, paddedHeight] as const
  const final = transposed ? ([paddedHeight, newWidth] as const) : lying
  return {
    transposed,
    resized: [newWidth, newHeight],
    padTop,
    padBottom: pad - padTop,
    padded: lying,
    final,
    tilesWide: final[0] / tile,
    tilesHigh: final[1] / tile,
  }
}

/** The image on its canvas, as bytes. */
export function tileCanvas(image: RgbImage, layout: TileLayout): RgbImage {
  const lying = layout.transposed ? transpose(image) : image
  const small = resize(lying, layout.resized[0], layout.resized[1], 'bilinear')
  const [width, height] = layout.padded
  const data = new Uint8Array(width * height * 3).fill(WHITE)
  data.set(small.data, layout.padTop * width * 3)
  const canvas = { width, height, data }
  return layout.transposed ? transpose(canvas) : canvas
}

/** An image as the tiled vision tower takes it; it may have been shrunk since it was laid out. */
export function tilePixels(image: RgbImage, layout: TileLayout): TiledPixels {
  const canvas = normalise(tileCanvas(image, layout))
  const [width, height] = layout.final
  const { tilesWide, tilesHigh } = layout
  const tile = width / tilesWide
  return { canvas, whole: interpolatePlanes(canvas, 3, height, width, tile, tile), tilesWide, tilesHigh }
}

/** canvas [3, tilesHigh * tile, tilesWide * tile] -> [tiles, 3, tile, tile], row by row. */
export function cutTiles(canvas: Float32Array, tilesHigh: number, tilesWide: number, tile: number): Float32Array {
  const width = tilesWide * tile
  const plane = tilesHigh * tile * width
  const out = new Float32Array(canvas.length)
  let to = 0
  for (let row = 0; row < tilesHigh; row++)
    for (let column = 0; column < tilesWide; column++)
      for (let c = 0; c < 3; c++)
        for (let y = 0; y < tile; y++, to += tile) {
          const from = c * plane + (row * tile + y) * width + column * tile
          out.set(canvas.subarray(from, from + tile), to)
        }
  return out
}

/** All tiles of an image as the tower reads them, the whole first: [1 + tiles, 3, tile, tile]. */
export function tileStack({ canvas, whole, tilesHigh, tilesWide }: TiledPixels, tile: number): Float32Array {
  const stack = new Float32Array(whole.length + canvas.length)
  stack.set(whole)
  stack.set(cutTiles(canvas, tilesHigh, tilesWide, tile), whole.length)
  return stack
}

function transpose({ width, height, data }: RgbImage): RgbImage {
  const out = new Uint8Array(data.length)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [from, to] = [(y * width + x) * 3, (x * height + y) * 3]
      out[to] = data[from] as number
      out[to + 1] = data[from + 1] as number
      out[to + 2] = data[from + 2] as number
    }
  return { width: height, height: width, data: out }
}
