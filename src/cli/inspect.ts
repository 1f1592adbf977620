/** `xcomposer inspect`: what a model costs, as a table or JSON. The figures come from model/inspect.ts. */

import { InputError } from '../common/errors.js'
import { readJsonObject } from '../common/json.js'
import { type ModelConfig, parseModelConfig } from '../model/config.js'
import { type Inspection, inspect } from '../model/inspect.js'
import { openModel } from '../model/open-checkpoint.js'
import { modelParts } from '../model/parameter-spec.js'
import { type Args, type Command, noPositionals } from './command.js'
import { modelDirectory } from './model-choice.js'

const LARGEST_CONFIG = 1_000_000

export const inspectCommand: Command = {
  name: 'inspect',
  summary: 'count parameters, memory and arithmetic',
  options: { model: { type: 'string', short: 'm' }, config: { type: 'string' }, json: { type: 'boolean' } },
  help: `Usage: xcomposer inspect [options]

Parameters by part, the adapter's share and what its low rank saves against a second full set of weights for image tokens,
memory for weights, KV cache and vision, arithmetic for a picture and for a token.

  -m, --model DIR            model directory (default: the packaged nano)
      --config FILE          a config.json alone, without weights
      --json                 print the figures as JSON

Example:
  xcomposer inspect --model models/nano
`,
  async run(args, io) {
    noPositionals(args, 'inspect')
    const { name, config, onDisk } = source(args)
    const figures = inspect(config)
    const disk = onDisk === undefined ? {} : { weightsOnDisk: onDisk }
    io.out(
      args.flag('json') ? `${JSON.stringify({ model: name, ...disk, ...figures })}\n` : inspectionTable(name, figures, onDisk),
    )
    return 0
  },
}

function source(args: Args): { name: string; config: ModelConfig; onDisk?: number } {
  const file = args.text('config')
  if (file !== undefined && args.text('model') !== undefined)
    throw new InputError('inspect: expected --model or --config, got both')
  if (file !== undefined) return { name: file, config: parseModelConfig(readJsonObject(file, LARGEST_CONFIG), file) }
  const dir = modelDirectory(args)
  const { config, directory } = openModel(dir)
  return { name: dir, config, onDisk: [...directory.tensors.values()].reduce((n, { byteLength }) => n + byteLength, 0) }
}

/** The figures as aligned text. `onDisk`: bytes of the checkpoint's tensors, where there is one. */
export function inspectionTable(name: string, figures: Inspection, onDisk?: number): string {
  const { parameters, adapter, projector, memory, flops, imageTokens, maxLength } = figures
  const share = (n: number) => `${count(n).padStart(9)}  ${percent(n / parameters.total).padStart(6)}`
  const image = flops.vision + flops.projector + flops.imagePrefill
  const section = (title: string, rows: readonly (readonly [string, string])[]) => {
    const width = 34
    return [title, ...rows.map(([label, value]) => `  ${label.padEnd(width)}${value}`)].join('\n')
  }
  return `${[
    name,
    section('Parameters', [
      ...modelParts.map((part) => [part, share(parameters.parts[part])] as const),
      ['all', share(parameters.total)],
    ]),
    section(`Adapter (${adapter.type}) against a second full set of weights for image tokens`, [
      ['adapter', count(adapter.parameters).padStart(9)],
      ['second set', count(adapter.secondSet).padStart(9)],
      ['saved', percent(adapter.saved).padStart(9)],
      ['more arithmetic at image positions', percent(adapter.extraFlops).padStart(9)],
    ]),
    section('Memory', [
      ...(onDisk === undefined ? [] : [['weights, on disk', bytes(onDisk).padStart(9)] as const]),
      ['weights, in memory', bytes(memory.weights).padStart(9)],
      ['weights, half precision', bytes(memory.weightsHalf).padStart(9)],
      ['KV cache, one position', bytes(memory.kvPerToken).padStart(9)],
      [`KV cache, ${maxLength} positions`, bytes(memory.kvFull).padStart(9)],
      ['vision activations, one picture', bytes(memory.visionActivations).padStart(9)],
    ]),
    section('FLOPs', [
      [`one picture (${imageTokens} positions)`, count(image).padStart(9)],
      ['  vision tower', count(flops.vision).padStart(9)],
      [`  projector (${projector})`, count(flops.projector).padStart(9)],
      ['  decoder', count(flops.imagePrefill).padStart(9)],
      ['one token', count(flops.perToken).padStart(9)],
      ['  and for each position before it', count(flops.perTokenAndPosition).padStart(9)],
    ]),
  ].join('\n')}\n`
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`
const count = (n: number) => scaled(n, 1000, ['', ' K', ' M', ' G', ' T', ' P'])
const bytes = (n: number) => scaled(n, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB'])

function scaled(n: number, base: number, units: readonly string[]): string {
  const power = n < base ? 0 : Math.min(units.length - 1, Math.floor(Math.log(n) / Math.log(base)))
  return `${power === 0 ? n : (n / base ** power).toPrecision(4)}${units[power]}`
}
