/** `--bits` and `--block`: how weights are stored in blocks, in the commands that write models. */

import { InputError } from '../common/errors.js'
import type { BlockFormat } from '../engine/index.js'
import type { Args } from './command.js'

export const blockOptions = { bits: { type: 'string' }, block: { type: 'string' } } as const

const SIZES = ['16', '32', '64', '128', '256'] as const

/** The line on `--block` in a command's help. */
export const BLOCK_HELP = `      --block N              values that share a scale: ${SIZES.slice(0, -1).join(', ')} or ${SIZES.at(-1)} (default 32)`

/** What was asked for; undefined where no bits were. @throws InputError for other numbers, and for blocks without bits */
export function readBlockFormat(args: Args, defaultBits: '4' | '8'): BlockFormat
export function readBlockFormat(args: Args): BlockFormat | undefined
export function readBlockFormat(args: Args, defaultBits?: '4' | '8'): BlockFormat | undefined {
  const bits = args.oneOf('bits', ['4', '8'] as const) ?? defaultBits
  const block = args.oneOf('block', SIZES)
  if (bits === undefined) {
    if (block !== undefined) throw new InputError(`--block ${block}: goes with --bits 4 or --bits 8`)
    return undefined
  }
  return { bits: bits === '4' ? 4 : 8, blockSize: Number(block ?? '32') }
}
