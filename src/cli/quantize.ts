/** `xcomposer quantize`: a float model directory as one with 4- or 8-bit linear weights. */
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../common/errors.js'
import { statFile } from '../common/json.js'
import { openModel, tokenizerPath } from '../model/open-checkpoint.js'
import { Calibration, calibrationWindows } from '../quantize/calibration.js'
import { divergence } from '../quantize/divergence.js'
import { quantizeModel } from '../quantize/quantize-model.js'
import { Tokenizer } from '../text/tokenizer.js'
import { BLOCK_HELP, blockOptions, readBlockFormat } from './block-options.js'
import type { Command } from './command.js'
import { progressLine, writtenLine } from './io.js'
import { namedModel } from './model-choice.js'

export const quantizeCommand: Command = {
  name: 'quantize',
  summary: 'store a model in 4 or 8 bits',
  options: { ...blockOptions, calibrate: { type: 'string' }, text: { type: 'string' } },
  help: `Usage: xcomposer quantize DIR OUT [options]

Writes the model of DIR to the directory OUT with its linear weights in blocks of 4 or 8 bits, piece by piece. The vision tower,
PLoRA and the projector always take 8 bits. Prints the relative error of the rounded weights and writes it to OUT/README.md.

      --bits N               4 or 8 (default 8)
${BLOCK_HELP}
      --calibrate FILE       a text like those the model will meet (8,000 tokens are enough): the decoder is rounded with regard to
                             what it reads there, which makes 4 bits notably more exact, and takes minutes for a large model
      --text FILE            another text, on which to compare both models: perplexity, divergence, agreement

Example:
  xcomposer quantize runs/nano-2-sft models/nano --bits 8
  xcomposer quantize ./internlm-xcomposer2-vl-7b ./vl-7b-4bit --bits 4 --block 256 --calibrate texts.txt
`,
  async run(args, io) {
    const [named, out, ...rest] = args.positionals
    if (named === undefined || out === undefined || rest.length > 0) {
      throw new InputError(`quantize: expected a model directory and a new directory, got ${args.positionals.length} arguments`)
    }
    const dir = namedModel(named)
    const file = args.text('text')
    const text = file === undefined ? undefined : readText(file)
    const format = readBlockFormat(args, '8')
    const calibrationFile = args.text('calibrate')
    const windows = calibrationFile === undefined ? undefined : readWindows(dir, calibrationFile)
    const progress = progressLine(io)
    const { parts, bytes } = await quantizeModel(dir, out, format, {
      onProgress: (done, total) => progress.update(writtenLine(done, total)),
      signal: io.signal,
      onNotice: (line) => {
        progress.end()
        io.err(`${line}\n`)
      },
      ...(windows ? { calibrate: (weights) => new Calibration(weights, windows, io.signal) } : {}),
    }).finally(() => progress.end())
    io.out(`${out}: ${(bytes / 1e6).toFixed(1)} MB\n`)
    for (const { part, tensors, bitsPerWeight, relativeError } of parts) {
      const each = `${tensors} tensors, ${bitsPerWeight.toFixed(2)} bits a weight`
      io.out(`  ${part.padEnd(10)} ${each}, relative error ${relativeError.toFixed(4)}\n`)
    }
    if (text !== undefined) {
      const { tokens, perplexity, kl, agreement } = await divergence(dir, out, text)
      const line = `on ${tokens} tokens: perplexity ${perplexity.reference.toFixed(3)} before, ${perplexity.other.toFixed(3)} after; divergence ${kl.toFixed(5)} nats; the same likeliest token at ${(100 * agreement).toFixed(1)} %`
      io.out(`  ${line}\n`)
      appendFileSync(join(out, 'README.md'), `\nAgainst the unquantised model ${line}.\n`)
    }
    return 0
  },
}

/** The ids to calibrate with, in the model's own tokens. */
function readWindows(dir: string, file: string): number[][] {
  const tokenizer = Tokenizer.load(tokenizerPath(openModel(dir)))
  try {
    return calibrationWindows(tokenizer.encode(readText(file)), tokenizer.bosId)
  } catch (error) {
    throw error instanceof InputError ? new InputError(`--calibrate ${file}: ${error.message}`) : error
  }
}

const LONGEST_TEXT = 10_000_000

function readText(file: string): string {
  const size = statFile(file)
  if (size > LONGEST_TEXT) throw new InputError(`${file}: ${size} bytes, expected a text of at most ${LONGEST_TEXT}`)
  return readFileSync(file, 'utf8')
}
