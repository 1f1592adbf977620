/** `xcomposer init`: a model directory in the shape of a release, with random weights, for measuring. */
import { copyFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { streamSafetensors } from '../checkpoint/safetensors.js'
import { writeTextAtomically } from '../common/atomic.js'
import { InputError } from '../common/errors.js'
import { makeFolders } from '../common/folders.js'
import type { LongWork } from '../common/long-work.js'
import { presets } from '../model/presets.js'
import type { FloatWeights } from '../quantize/float-weights.js'
import { writeQuantized } from '../quantize/quantize-model.js'
import { randomWeights } from '../quantize/random-weights.js'
import { Tokenizer } from '../text/tokenizer.js'
import { BLOCK_HELP, blockOptions, readBlockFormat } from './block-options.js'
import { type Command, noPositionals } from './command.js'
import { progressLine, writtenLine } from './io.js'

const names = Object.keys(presets) as [string, ...string[]]

export const initCommand: Command = {
  name: 'init',
  summary: 'make a model with random weights in an official shape',
  options: {
    preset: { type: 'string' },
    random: { type: 'boolean' },
    out: { type: 'string' },
    ...blockOptions,
    seed: { type: 'string' },
    tokenizer: { type: 'string' },
  },
  help: `Usage: xcomposer init --preset NAME --random --out DIR [options]

Writes a model directory in the shape of a released checkpoint with random weights: for measuring speed and memory without a
download. Its answers mean nothing.

      --preset NAME          ${names.slice(0, 2).join(', ')},
                             ${names.slice(2).join(' or ')}
      --random               random weights (there are no others to be had without a download)
      --out DIR              where to write it
      --bits N               4 or 8: linear weights in blocks at once (default: float16 throughout)
${BLOCK_HELP}
      --seed N               the same seed gives the same weights (default 0)
      --tokenizer FILE       a tokenizer.model to put beside them; chat needs one

Example:
  xcomposer init --preset internlm-xcomposer2-vl-1_8b --random --bits 4 --out /tmp/random-1_8b
`,
  async run(args, io) {
    noPositionals(args, 'init')
    const preset = args.oneOf('preset', names)
    if (preset === undefined) throw new InputError(`--preset: expected one of ${names.join(', ')}`)
    const out = args.text('out')
    if (out === undefined) throw new InputError('--out: expected a directory to write to')
    if (!args.flag('random'))
      throw new InputError('--random: expected this option, since weights are random; pull brings trained ones')
    const format = readBlockFormat(args)
    const tokenizer = args.text('tokenizer')
    if (tokenizer !== undefined) Tokenizer.load(tokenizer)
    const weights = randomWeights(
      presets[preset] as Record<string, unknown>,
      preset,
      args.wholeNumber('seed', 0, 2 ** 32 - 1) ?? 0,
    )
    const progress = progressLine(io)
    const work = { onProgress: (done: number, total: number) => progress.update(writtenLine(done, total)), signal: io.signal }
    await (format ? writeQuantized(weights, out, format, work) : writeHalf(weights, out, work)).finally(() => progress.end())
    if (tokenizer !== undefined) copyFileSync(tokenizer, join(out, 'tokenizer.model'))
    io.out(`${out}: ${(statSync(join(out, 'model.safetensors')).size / 1e9).toFixed(2)} GB\n`)
    return 0
  },
}

async function writeHalf(weights: FloatWeights, out: string, work: LongWork): Promise<void> {
  makeFolders(out, '--out')
  const tensors = weights.specs.map((spec) => ({
    name: spec.name,
    dtype: 'F16' as const,
    shape: spec.shape,
    data: () => weights.rows(spec, 0, spec.shape[0] ?? 1),
  }))
  await streamSafetensors(join(out, 'model.safetensors'), tensors, { format: 'pt' }, work)
  const config = { ...weights.config, torch_dtype: 'float16' }
  writeTextAtomically(join(out, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
}
