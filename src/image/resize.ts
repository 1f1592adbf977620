/**
 * Resampling to the byte as Pillow does it (SPEC 6): horizontal pass, then vertical, each with quantised weights and an
 * 8-bit intermediate; a pass whose size does not change is skipped. It knows nothing of files or models.
 */
import { InputError } from '../common/errors.js'
import type { RgbImage } from './pixels.js'

export type Filter = 'bicubic' | 'bilinear'

/** Weights are integers in units of 2^-22; this keeps the sums within 32 bits. */
const PRECISION = 22

const FILTERS: Record<Filter, { support: number; weight: (x: number) => number }> = {
  bicubic: { support: 2, weight: (x) => bicubic(Math.abs(x)) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
}

function bicubic(x: number): number {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
}

/** For each output: the first input it reads, how many, and their weights in rows of `stride`. */
interface Weights {
  readonly first: Int32Array
  readonly count: Int32Array
  readonly weights: Int32Array
  readonly stride: number
}

/**
 * Resizes RGB bytes to exactly width x height, ignoring the aspect ratio. The input is returned as it is when the size is
 * unchanged.
 * @throws InputError when a size is not a positive whole number
 */
export function resize(image: RgbImage, width: number, height: number, filter: Filter = 'bicubic'): RgbImage {
  for (const side of [width, height]) {
    if (!Number.isInteger(side) || side < 1) throw new InputError(`resize to ${width}x${height}: expected positive whole numbers`)
  }
  const wide = width === image.width ? image : { width, height: image.height, data: horizontal(image, width, filter) }
  return height === image.height ? wide : { width, height, data: vertical(wide, height, filter) }
}

/** Pillow's coefficients, quantised. @internal */
export function resampleWeights(input: number, output: number, filter: Filter): Weights {
  const { support, weight } = FILTERS[filter]
  const scale = input / output
  const stretch = Math.max(scale, 1)
  const reach = support * stretch
  const stride = Math.ceil(reach) * 2 + 1
  const first = new Int32Array(output)
  const count = new Int32Array(output)
  const weights = new Int32Array(output * stride)
  const exact = new Float64Array(stride)
  const inverse = 1 / stretch
  for (let o = 0; o < output; o++) {
    const centre = (o + 0.5) * scale
    const low = Math.max(0, Math.trunc(centre - reach + 0.5))
    const high = Math.min(input, Math.trunc(centre + reach + 0.5))
    let sum = 0
    for (let j = low; j < high; j++) {
      const w = weight((j - centre + 0.5) * inverse)
      exact[j - low] = w
      sum += w
    }
    first[o] = low
    count[o] = high - low
    for (let j = 0; j < high - low; j++) {
      const w = (exact[j] ?? 0) / (sum || 1)
      weights[o * stride + j] = Math.trunc(w * (1 << PRECISION) + (w < 0 ? -0.5 : 0.5))
    }
  }
  return { first, count, weights, stride }
}

function horizontal(image: RgbImage, width: number, filter: Filter): Uint8Array {
  const { first, count, weights, stride } = resampleWeights(image.width, width, filter)
  const { data, height } = image
  const out = new Uint8ClampedArray(width * height * 3)
  for (let y = 0, to = 0; y < height; y++) {
    const row = y * image.width * 3
    for (let x = 0; x < width; x++, to += 3) {
      let from = row + (first[x] as number) * 3
      let r = 1 << (PRECISION - 1)
      let g = r
      let b = r
      const end = x * stride + (count[x] as number)
      for (let k = x * stride; k < end; k++, from += 3) {
        const w = weights[k] as number
        r = (r + Math.imul(w, data[from] as number)) | 0
        g = (g + Math.imul(w, data[from + 1] as number)) | 0
        b = (b + Math.imul(w, data[from + 2] as number)) | 0
      }
      out[to] = r >> PRECISION
      out[to + 1] = g >> PRECISION
      out[to + 2] = b >> PRECISION
    }
  }
  return new Uint8Array(out.buffer)
}

function vertical(image: RgbImage, height: number, filter: Filter): Uint8Array {
  const { first, count, weights, stride } = resampleWeights(image.height, height, filter)
  const { data } = image
  const rowBytes = image.width * 3
  const out = new Uint8ClampedArray(height * rowBytes)
  // Row by row, so that memory is read in order.
  const sums = new Int32Array(rowBytes)
  for (let y = 0; y < height; y++) {
    sums.fill(1 << (PRECISION - 1))
    for (let k = 0; k < (count[y] as number); k++) {
      const w = weights[y * stride + k] as number
      const row = ((first[y] as number) + k) * rowBytes
      for (let i = 0; i < rowBytes; i++) sums[i] = ((sums[i] as number) + Math.imul(w, data[row + i] as number)) | 0
    }
    const to = y * rowBytes
    for (let i = 0; i < rowBytes; i++) out[to + i] = (sums[i] as number) >> PRECISION
  }
  return new Uint8Array(out.buffer)
}
