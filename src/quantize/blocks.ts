/**
 * Block quantisation of a weight matrix to 4 or 8 bits, and back. Symmetric: value = (q - middle) * scale. In 4 bits the scale of each
 * block is searched (clipping): for several shares of the largest magnitude the values are rounded, the least-squares scale of these is
 * known from two sums, and the best of all is taken. It needs no calibration data and beats max (absmax) rounding.
 */
import type { BlockFormat } from '../engine/index.js'
import type { Blocks } from '../model/block-format.js'

/** Shares of the largest magnitude that meet the end of the range; clipping it serves the many small values. */
const SHARES = { 8: [1], 4: [1, 0.95, 0.9, 0.86, 0.82, 0.78, 0.74, 0.7] } as const

/** Rounds a row-major [out, in] matrix to nearest (RTN), every value for itself; the last block of a row is padded with zeros. */
export function quantizeBlocks(weight: Float32Array, out: number, inputs: number, format: BlockFormat): Blocks {
  const { blockSize } = format
  const made = emptyBlocks(out, inputs, format)
  const range = rangeOf(format)
  const count = made.scales.length / out
  const rounded = new Uint8Array(blockSize)
  for (let row = 0; row < out; row++) {
    for (let b = 0; b < count; b++) {
      const start = row * inputs + b * blockSize
      const end = Math.min(start + blockSize, (row + 1) * inputs)
      const scale = bestScale(weight, start, end, range)
      rounded.fill(range.middle)
      if (scale !== 0) {
        const inverse = 1 / scale
        for (let i = start; i < end; i++) rounded[i - start] = roundTo(range, (weight[i] as number) * inverse)
      }
      storeBlock(made, row * count + b, scale, rounded, format)
    }
  }
  return made
}

/** The whole numbers that a value may become, 0 to top; the middle one stands for zero. */
export interface Range {
  readonly middle: number
  readonly top: number
  readonly shares: readonly number[]
}

export function rangeOf({ bits }: BlockFormat): Range {
  const middle = 1 << (bits - 1)
  return { middle, top: 2 * middle - 1, shares: SHARES[bits] }
}

/** A value in steps of the scale, rounded and within the range. */
export function roundTo({ middle, top }: Range, steps: number): number {
  const x = steps + middle + 0.5
  return x <= 0 ? 0 : x >= top ? top : x | 0
}

/** Room for a matrix. */
export function emptyBlocks(out: number, inputs: number, { bits, blockSize }: BlockFormat): Blocks {
  const count = Math.ceil(inputs / blockSize)
  return { values: new Uint8Array((out * count * blockSize * bits) / 8), scales: new Float32Array(out * count) }
}

/** Puts one rounded block (blockSize whole numbers) and its scale in place. */
export function storeBlock(
  to: Blocks,
  block: number,
  scale: number,
  rounded: Uint8Array,
  { bits, blockSize }: BlockFormat,
): void {
  to.scales[block] = scale
  const bytes = (blockSize * bits) / 8
  const at = block * bytes
  if (bits === 8) to.values.set(rounded, at)
  else for (let i = 0; i < bytes; i++) to.values[at + i] = (rounded[2 * i] as number) | ((rounded[2 * i + 1] as number) << 4)
}

/**
 * The scale for values[start, end), as float32: its sign lets the largest value meet the end of the range that has one step more.
 * @param importance how much an error of each value counts, by the same index; without it all count the same
 */
export function bestScale(values: Float32Array, start: number, end: number, range: Range, importance?: Float32Array): number {
  let extreme = 0
  for (let i = start; i < end; i++) {
    const w = values[i] as number
    if (Math.abs(w) > Math.abs(extreme)) extreme = w
  }
  if (extreme === 0) return 0
  const first = -extreme / range.middle
  let most = -1
  let best = first
  if (range.shares.length > 1) {
    for (const share of range.shares) {
      const inverse = 1 / (first * share)
      let [products, squares] = [0, 0]
      for (let i = start; i < end; i++) {
        const w = values[i] as number
        const q = roundTo(range, w * inverse) - range.middle
        const h = importance ? (importance[i] as number) : 1
        products += h * w * q
        squares += h * q * q
      }
      // The squared error at the best scale is sum h w^2 - products^2 / squares: the last term should be large.
      const explained = (products * products) / squares
      if (explained > most) {
        most = explained
        best = products / squares
      }
    }
  }
  return Math.fround(best)
}
