/** `xcomposer parity`: where a model parts from reference dumps. */
import { InputError } from '../common/errors.js'
import { parity } from '../verify/parity.js'
import { type Command, noPositionals } from './command.js'
import { modelDirectory } from './model-choice.js'

export const parityCommand: Command = {
  name: 'parity',
  summary: 'find where a model parts from reference dumps',
  options: { model: { type: 'string', short: 'm' }, reference: { type: 'string' }, tolerance: { type: 'string' } },
  help: `Usage: xcomposer parity --model DIR --reference DIR [options]

Runs the cases of a folder of reference dumps (the format of the vlm reference data: cases.json and cases.safetensors) through a
model, and prints for each the first tensor that differs, in the order of the data's way, and the first position in it. For people
who port or fine-tune a checkpoint. Exit code 1 when a case differs.

  -m, --model DIR            model directory (default: the packaged nano)
      --reference DIR        folder with the dumps
      --tolerance T          allowed difference, T x (1 + |reference|) (default 1e-3)

Example:
  xcomposer parity --model tests/data/goldens/vlm/checkpoint --reference tests/data/goldens/vlm
`,
  async run(args, io) {
    noPositionals(args, 'parity')
    const reference = args.text('reference')
    if (reference === undefined) throw new InputError('--reference: expected a folder with cases.json and cases.safetensors')
    const tolerance = args.number('tolerance', 0, 1) ?? 1e-3
    let differ = 0
    for await (const { name, compared, largestError, parting } of parity(modelDirectory(args), reference, tolerance)) {
      if (parting) {
        const { tensor, position, what, error } = parting
        differ++
        io.out(
          `${name}: ${tensor} differs first, at position ${position} (${what}), by ${error.toPrecision(3)}; ${compared - 1} tensors before it agree\n`,
        )
      } else io.out(`${name}: ${compared} tensors agree, largest error ${largestError.toPrecision(3)}\n`)
    }
    return differ > 0 ? 1 : 0
  },
}
