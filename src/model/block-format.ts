/** Which tensors of a quantised model are stored in blocks, and in blocks of which size. It rounds nothing. */
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
