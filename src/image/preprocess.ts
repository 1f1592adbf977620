/**
 * RGB bytes to the tensor a vision tower reads (SPEC 6): squash to S x S ignoring the aspect ratio (or pad to a black square
 * first, as the MME and HallusionBench scripts do), then (x/255 - mean) / std in float32, channels first.
 */
import type { RgbImage } from './pixels.js'
import { resize } from './resize.js'

export type Rgb = readonly [number, number, number]

export const CLIP_MEAN: Rgb = [0.48145466, 0.4578275, 0.40821073]
export const CLIP_STD: Rgb = [0.26862954, 0.26130258, 0.27577711]

export interface PreprocessOptions {
  readonly mean?: Rgb
  readonly std?: Rgb
  /** Pad to a black square before the squash. */
  readonly squarePad?: boolean
}

/** An image as the vision tower takes it: float32 [3, size, size]. */
export function preprocess(image: RgbImage, size: number, options: PreprocessOptions = {}): Float32Array {
  const squashed = resize(options.squarePad ? squarePad(image) : image, size, size)
  return normalise(squashed, options.mean, options.std)
}

/** RGB bytes to float32 [3, height, width], written into `out` at `offset` when given. */
export function normalise(
  image: RgbImage,
  mean: Rgb = CLIP_MEAN,
  std: Rgb = CLIP_STD,
  out = new Float32Array(image.width * image.height * 3),
  offset = 0,
): Float32Array {
  const plane = image.width * image.height
  for (let c = 0; c < 3; c++) {
    const values = byteTable(mean[c] ?? 0, std[c] ?? 1)
    const to = offset + c * plane
    for (let i = 0; i < plane; i++) out[to + i] = values[image.data[i * 3 + c] ?? 0] ?? 0
  }
  return out
}

/** The normalised value of each byte. Every step is rounded to float32, as the reference's arithmetic is. */
function byteTable(mean: number, std: number): Float32Array {
  const table = new Float32Array(256)
  for (let v = 0; v < 256; v++) table[v] = Math.fround(Math.fround(v / 255) - Math.fround(mean)) / Math.fround(std)
  return table
}

/** Centres the image on a square of `value` (black); the odd pixel of padding lies right and below. */
export function squarePad(image: RgbImage, value = 0): RgbImage {
  const side = Math.max(image.width, image.height)
  if (side === image.width && side === image.height) return image
  const left = Math.trunc((side - image.width) / 2)
  const top = Math.trunc((side - image.height) / 2)
  const data = new Uint8Array(side * side * 3).fill(value)
  for (let y = 0; y < image.height; y++) {
    const row = image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3)
    data.set(row, ((top + y) * side + left) * 3)
  }
  return { width: side, height: side, data }
}
