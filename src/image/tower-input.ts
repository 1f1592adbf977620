/** An image file as a vision tower takes it: squashed to its square, or cut into tiles. It knows sizes, not models. */
import { type DecodeOptions, decodeImage, imageSize } from './decode.js'
import { preprocess } from './preprocess.js'
import { type TiledPixels, tileLayout, tilePixels } from './tiles.js'

export interface TowerShape {
  /** Side of the square, or of a tile, in pixels. */
  readonly size: number
  /** Tiles that an image may be cut into; 0 squashes it. */
  readonly maxTiles: number
}

/**
 * Float32 [3, size, size], or the canvas of tiles with the whole.
 * @param bytes of an image file
 * @throws InputError as decodeImage
 */
export async function towerInput(
  bytes: Uint8Array,
  { size, maxTiles }: TowerShape,
  options: DecodeOptions = {},
): Promise<Float32Array | TiledPixels> {
  if (maxTiles === 0) return preprocess(await decodeImage(bytes, { ...options, wanted: [size, size] }), size)
  const { width, height } = await imageSize(bytes, options)
  const layout = tileLayout(width, height, maxTiles, size)
  const [long, short] = layout.resized
  const image = await decodeImage(bytes, { ...options, wanted: layout.transposed ? [short, long] : [long, short] })
  return tilePixels(image, layout)
}
