/**
 * Rounding of a weight matrix to blocks of 4 or 8 bits, and back. Symmetric: value = (q - middle) * scale. The scale of
 * each block is searched around the largest magnitude for the smallest squared error, which beats plain max rounding.
 */
import type { BlockFormat } from '../engine/index.js'

/** A quantised [out, in] matrix in the engine's layout. */
export interface Blocks {
  /** [out, blocks, blockSize * bits / 8]. */
  readonly values: Uint8Array
  /** [out * blocks]. */
  readonly scales: Float32Array
}

const candidates = { 8: [1], 4: [1, 0.95, 0.9, 0.86, 0.82, 0.78, 0.74, 0.7] } as const

/** Rounds a row-major [out, in] matrix; the last block of a row is padded with zeros. */
export function quantizeBlocks(weight: Float32Array, out: number, inputs: number, { bits, blockSize }: BlockFormat): Blocks {
  const blocks = Math.ceil(inputs / blockSize)
  const blob = (blockSize * bits) / 8
  const middle = 1 << (bits - 1)
  const values = new Uint8Array(out * blocks * blob)
  const scales = new Float32Array(out * blocks)
  const rounded = new Uint8Array(blockSize)
  const best = new Uint8Array(blockSize)
  for (let row = 0; row < out; row++) {
    for (let b = 0; b < blocks; b++) {
      const start = row * inputs + b * blockSize
      const n = Math.min(blockSize, inputs - b * blockSize)
      let extreme = 0
      for (let i = 0; i < n; i++) {
        const w = weight[start + i] as number
        if (Math.abs(w) > Math.abs(extreme)) extreme = w
      }
      let smallest = Number.POSITIVE_INFINITY
      let scale = 0
      // The largest value meets the end of the range that has one step more.
      for (const share of candidates[bits]) {
        const s = Math.fround((extreme * share) / -middle)
        let error = 0
        for (let i = 0; i < n; i++) {
          const w = weight[start + i] as number
          const q = s === 0 ? middle : Math.max(0, Math.min(2 * middle - 1, Math.round(w / s) + middle))
          rounded[i] = q
          error += (w - (q - middle) * s) ** 2
        }
        if (error < smallest) {
          smallest = error
          scale = s
          best.set(rounded)
        }
      }
      best.fill(middle, n)
      scales[row * blocks + b] = scale
      const at = (row * blocks + b) * blob
      if (bits === 8) values.set(best, at)
      else for (let i = 0; i < blob; i++) values[at + i] = (best[2 * i] as number) | ((best[2 * i + 1] as number) << 4)
    }
  }
  return { values, scales }
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
