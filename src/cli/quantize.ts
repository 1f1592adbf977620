/** `xcomposer quantize`: a float model directory as one with 4- or 8-bit linear weights. */
import { InputError } from '../errors.js'
import { quantizeModel } from '../model/quantize-model.js'
import type { Command } from './command.js'

export const quantizeCommand: Command = {
  name: 'quantize',
  summary: 'store a model in 4 or 8 bits',
  options: { bits: { type: 'string' }, block: { type: 'string' } },
  help: `Usage: xcomposer quantize DIR OUT [options]

Writes the model of DIR to the directory OUT with its linear weights in blocks of 4 or 8 bits, piece by piece. PLoRA and the
projector take 8 bits, the vision tower stays in half precision. Prints the relative error of the rounded weights and writes it to
OUT/README.md.

      --bits N               4 or 8 (default 8)
      --block N              values that share a scale: 16, 32, 64 or 128 (default 32)

Example:
  xcomposer quantize runs/nano-2-sft models/nano --bits 8
`,
  async run(args, io) {
    const [dir, out, ...rest] = args.positionals
    if (dir === undefined || out === undefined || rest.length > 0) {
      throw new InputError(`quantize: expected a model directory and a new directory, got ${args.positionals.length} arguments`)
    }
    const bits = args.oneOf('bits', ['4', '8'] as const) ?? '8'
    const block = args.oneOf('block', ['16', '32', '64', '128'] as const) ?? '32'
    const { groups, bytes } = quantizeModel(dir, out, { bits: bits === '4' ? 4 : 8, blockSize: Number(block) })
    io.out(`${out}: ${(bytes / 1e6).toFixed(1)} MB\n`)
    for (const { group, tensors, bits: own, relativeError } of groups) {
      io.out(`  ${group.padEnd(10)} ${tensors} tensors in ${own} bits, relative error ${relativeError.toFixed(4)}\n`)
    }
    return 0
  },
}
