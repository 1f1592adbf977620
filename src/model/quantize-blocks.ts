/**
 * Rounding of a weight matrix to blocks of 4 or 8 bits, and back. Symmetric: value = (q - middle) * scale. In 4 bits the scale of each
 * block is searched: for several shares of the largest magnitude the values are rounded, the scale that fits these best in least
 * squares is known from two sums, and the best of all is taken. No data is needed for it, and it beats plain max rounding.
 */
import type { BlockFormat } from '../engine/index.js'

/** A quantised [out, in] matrix in the engine's layout. */
export interface Blocks {
  /** [out, blocks, blockSize * bits / 8]. */
  readonly values: Uint8Array
  /** [out * blocks]. */
  readonly scales: Float32Array
}

/** Shares of the largest magnitude that meet the end of the range; clipping it serves the many small values. */
const SHARES = { 8: [1], 4: [1, 0.95, 0.9, 0.86, 0.82, 0.78, 0.74, 0.7] } as const

/** Rounds a row-major [out, in] matrix; the last block of a row is padded with zeros. */
export function quantizeBlocks(weight: Float32Array, out: number, inputs: number, { bits, blockSize }: BlockFormat): Blocks {
  const blocks = Math.ceil(inputs / blockSize)
  const blob = (blockSize * bits) / 8
  const middle = 1 << (bits - 1)
  const values = new Uint8Array(out * blocks * blob)
  const scales = new Float32Array(out * blocks)
  const rounded = new Uint8Array(blockSize)
  for (let row = 0; row < out; row++) {
    for (let b = 0; b < blocks; b++) {
      const start = row * inputs + b * blockSize
      const end = Math.min(start + blockSize, (row + 1) * inputs)
      const scale = Math.fround(bestScale(weight, start, end, middle, SHARES[bits]))
      scales[row * blocks + b] = scale
      rounded.fill(middle)
      if (scale !== 0) roundBlock(weight, start, end, scale, middle, rounded)
      const at = (row * blocks + b) * blob
      if (bits === 8) values.set(rounded, at)
      else for (let i = 0; i < blob; i++) values[at + i] = (rounded[2 * i] as number) | ((rounded[2 * i + 1] as number) << 4)
    }
  }
  return { values, scales }
}

/** The scale for weight[start, end): its sign lets the largest value meet the end of the range that has one step more. */
function bestScale(weight: Float32Array, start: number, end: number, middle: number, shares: readonly number[]): number {
  let extreme = 0
  for (let i = start; i < end; i++) {
    const w = weight[i] as number
    if (Math.abs(w) > Math.abs(extreme)) extreme = w
  }
  if (extreme === 0) return 0
  const first = -extreme / middle
  if (shares.length === 1) return first
  const [offset, top] = [middle + 0.5, 2 * middle - 1]
  let most = -1
  let best = first
  for (const share of shares) {
    const inverse = 1 / (first * share)
    let [products, squares] = [0, 0]
    for (let i = start; i < end; i++) {
      const w = weight[i] as number
      const q = clampedFloor(w * inverse + offset, top) - middle
      products += w * q
      squares += q * q
    }
    // The squared error at the best scale is sum w^2 - products^2 / squares: the last term should be large.
    const explained = (products * products) / squares
    if (explained > most) {
      most = explained
      best = products / squares
    }
  }
  return best
}

function roundBlock(weight: Float32Array, start: number, end: number, scale: number, middle: number, to: Uint8Array): void {
  const [inverse, offset, top] = [1 / scale, middle + 0.5, 2 * middle - 1]
  for (let i = start; i < end; i++) to[i - start] = clampedFloor((weight[i] as number) * inverse + offset, top)
}

/** Whole part within 0..top. */
function clampedFloor(x: number, top: number): number {
  return x <= 0 ? 0 : x >= top ? top : x | 0
}

/** Restores `rows` consecutive rows from `first` on: [rows, in]. */
export function dequantizeRows(
  b: Blocks,
  first: number,
  rows: number,
  inputs: number,
  { bits, blockSize }: BlockFormat,
): Float32Array {
  const blocks = Math.ceil(inputs / blockSize)
  const blob = (blockSize * bits) / 8
  const middle = 1 << (bits - 1)
  const out = new Float32Array(rows * inputs)
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < inputs; i++) {
      const block = (first + r) * blocks + Math.floor(i / blockSize)
      const j = i % blockSize
      const byte = b.values[block * blob + (bits === 8 ? j : j >> 1)] as number
      const q = bits === 8 ? byte : j & 1 ? byte >> 4 : byte & 15
      out[r * inputs + i] = (q - middle) * (b.scales[block] as number)
    }
  }
  return out
}
