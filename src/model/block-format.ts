/** How a quantised model is stored: which tensors in blocks, of which size, and how blocks are read back. It rounds nothing. */
import type { BlockFormat } from '../engine/index.js'
import type { ParameterRole, ParameterSpec } from './parameter-spec.js'

/**
 * Blocks of the parts in 8 bits: these are multiplied with hundreds of rows at once, where larger blocks are faster, and in 8 bits as good.
 * The largest that cuts a row without a rest is taken.
 */
const EIGHT_BIT_BLOCKS = [256, 128, 64]

/** Rows of the embedding are looked up, not multiplied: smaller blocks are more exact and cost no time. */
export const EMBEDDING_BLOCK = 32

/** What is stored in blocks: matrices that rows are multiplied with, and the table that rows are looked up in. */
const IN_BLOCKS: ReadonlySet<ParameterRole> = new Set(['linear', 'low-rank-a', 'low-rank-b', 'embedding'])

/** How a tensor of a quantised model is stored in blocks; undefined where it is not. */
export function tensorFormat({ part, role, shape }: ParameterSpec, format: BlockFormat): BlockFormat | undefined {
  if (!IN_BLOCKS.has(role) || (shape[1] as number) < format.blockSize) return undefined
  if (role === 'embedding') return { bits: format.bits, blockSize: Math.min(format.blockSize, EMBEDDING_BLOCK) }
  if (part === 'decoder') return format
  const fits = (size: number): boolean => size > format.blockSize && (shape[1] as number) % size === 0
  return { bits: 8, blockSize: EIGHT_BIT_BLOCKS.find(fits) ?? format.blockSize }
}

/** A quantised [out, in] matrix in the engine's layout. */
export interface Blocks {
  /** [out, blocks, blockSize * bits / 8]. */
  readonly values: Uint8Array
  /** [out * blocks]. */
  readonly scales: Float32Array
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
