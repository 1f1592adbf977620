/**
 * `bench -- rounding`: what rounding the decoder to 4 bits does to the predictions of a trained model, for each way of rounding, beside
 * llama.cpp's q4_0 on the same weights. The text is given, or the model's own: what it writes about the pictures of the example library.
 * It is cut into as many parts as there are runs; each is predicted by models that were calibrated on the others. Nothing here is timed.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { chatBatch } from '../src/chat/chat-batch.js'
import { writeSafetensors } from '../src/checkpoint/safetensors.js'
import { readRaw, readTensor } from '../src/checkpoint/tensors.js'
import { InputError } from '../src/common/errors.js'
import { XComposer } from '../src/inference/xcomposer.js'
import { dequantizeRows, tensorFormat } from '../src/model/block-format.js'
import { blockSuffix, type OpenCheckpoint, openModel, readParameter, tokenizerPath } from '../src/model/open-checkpoint.js'
import type { ParameterSpec } from '../src/model/parameter-spec.js'
import { Calibration, calibrationWindows } from '../src/quantize/calibration.js'
import { type Divergence, divergence } from '../src/quantize/divergence.js'
import { quantizeModel } from '../src/quantize/quantize-model.js'
import { Tokenizer } from '../src/text/tokenizer.js'
import { type Benchmark, type BenchResult, MODEL_HELP, type ModelContext, modelOf, modelOption } from './benchmark.js'
import { dequantizeQ4, Q4_0_BITS, quantizeQ4 } from './gguf.js'
import { digits, median, summarise } from './samples.js'

/** What it is told. */
type Told = ModelContext & { readonly text: string | undefined }

const LIBRARY = 'examples/library/library.json'
const NEW_TOKENS = 48
/** Conversations that are answered together. */
const TOGETHER = 16

/** Ways of rounding: the block, and whether the text is read before. q4_0 is the peer. */
const WAYS = [
  { name: 'blocks of 32', blockSize: 32, calibrated: false },
  { name: 'blocks of 64', blockSize: 64, calibrated: false },
  { name: 'blocks of 128', blockSize: 128, calibrated: false },
  { name: 'blocks of 256', blockSize: 256, calibrated: false },
  { name: 'blocks of 64, calibrated', blockSize: 64, calibrated: true },
  { name: 'blocks of 128, calibrated', blockSize: 128, calibrated: true },
  { name: 'blocks of 256, calibrated', blockSize: 256, calibrated: true },
] as const

/** Reports the divergence from the model as it is, in nats a token: 4 bits in the largest blocks, calibrated, and as the peer q4_0. */
async function benchRounding(o: Told): Promise<BenchResult> {
  if (o.runs < 2) throw new InputError('--runs: rounding needs at least 2 parts of the text, one to read and one to predict')
  const temporary = mkdtempSync(join(tmpdir(), 'xcomposer-bench-'))
  try {
    const parts = o.text === undefined ? await ownText(o) : cutText(readFileSync(o.text, 'utf8'), o.runs)
    const original = join(temporary, 'original')
    const model = openModel(o.model)
    // A row that is shorter than a block is not rounded.
    const ways = WAYS.filter(({ blockSize }) => blockSize <= model.config.decoder.hiddenSize)
    const reported = ways.at(-1)?.name ?? ''
    const tokenizer = Tokenizer.load(tokenizerPath(model))
    writeFloats(model, original, (_, values) => values)
    const q4 = join(temporary, 'q4_0')
    writeFloats(model, q4, (spec, values) => (isRounded(spec) ? dequantizeQ4(quantizeQ4(values)) : values))
    const found = new Map<string, Divergence[]>()
    const bits = new Map<string, number>([['q4_0', Q4_0_BITS]])
    for (const [i, text] of parts.entries()) {
      const read = calibrationWindows(tokenizer.encode(parts.filter((_, j) => j !== i).join('\n')), tokenizer.bosId)
      const compare = async (name: string, dir: string): Promise<void> => {
        const d = await divergence(original, dir, text)
        found.set(name, [...(found.get(name) ?? []), d])
        o.print(
          `part ${i + 1}: ${name}: divergence ${d.kl.toFixed(4)}, the same likeliest token at ${(100 * d.agreement).toFixed(1)} %`,
        )
      }
      await compare('q4_0', q4)
      for (const { name, blockSize, calibrated } of ways) {
        const out = join(temporary, name)
        const windows = calibrated ? read : undefined
        const { parts } = await quantizeModel(
          original,
          out,
          { bits: 4, blockSize },
          {
            ...(windows ? { calibrate: (weights) => new Calibration(weights, windows) } : {}),
          },
        )
        bits.set(name, parts.find(({ part }) => part === 'decoder')?.bitsPerWeight ?? 0)
        await compare(name, out)
      }
    }
    const kl = (name: string): number[] => (found.get(name) ?? []).map((d) => d.kl)
    return {
      report: summarise('rounding', kl(reported), kl('q4_0'), 'less'),
      detail: {
        unit: 'divergence from the unrounded model, nats a token; the peer is q4_0',
        model: o.modelName,
        reported,
        tokens: (found.get('q4_0') ?? []).reduce((n, d) => n + d.tokens, 0),
        ways: [...found].map(([name, ds]) => ({
          name,
          bitsPerWeight: digits(bits.get(name) ?? 0),
          divergence: digits(median(ds.map((d) => d.kl))),
          agreement: digits(median(ds.map((d) => d.agreement))),
          perplexity: digits(median(ds.map((d) => d.perplexity.other))),
          unroundedPerplexity: digits(median(ds.map((d) => d.perplexity.reference))),
          samples: ds.map((d) => digits(d.kl)),
        })),
      },
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** A text in as many parts of whole lines, one behind the other. */
function cutText(text: string, parts: number): string[] {
  const lines = text.split('\n')
  return Array.from({ length: parts }, (_, part) =>
    lines.filter((_, i) => Math.floor((i * parts) / lines.length) === part).join('\n'),
  )
}

/** What the model says about the library's pictures, in `runs` parts that are about other pictures each. */
async function ownText(o: Told): Promise<string[]> {
  const names = z
    .array(z.object({ name: z.object({ en: z.string(), zh: z.string() }) }))
    .parse(JSON.parse(readFileSync(LIBRARY, 'utf8')))
  const questions = names.flatMap(({ name }) => [`What is a ${name.en}?`, `${name.zh}是什么？`])
  const model = await XComposer.load(o.model, { threads: o.threads })
  const texts: string[] = []
  try {
    for (let i = 0; i < questions.length; i += TOGETHER) {
      const some = questions.slice(i, i + TOGETHER)
      const conversations = some.map((text) => [{ role: 'user' as const, content: text }])
      const answers = await chatBatch(model, conversations, { maxNewTokens: NEW_TOKENS })
      texts.push(...answers.map(({ text }, j) => `${some[j]}\n${text}`))
    }
  } finally {
    model.dispose()
  }
  // Both questions about one picture stay in one part.
  return Array.from({ length: o.runs }, (_, part) => texts.filter((_, i) => Math.floor(i / 2) % o.runs === part).join('\n'))
}

/** Matrices of the decoder, which 4 bits round. */
const isRounded = (spec: ParameterSpec): boolean =>
  spec.part === 'decoder' && tensorFormat(spec, { bits: 4, blockSize: 32 }) !== undefined

/** The model with all weights in float32, each as `change` leaves it. */
function writeFloats(
  model: OpenCheckpoint,
  dir: string,
  change: (spec: ParameterSpec, values: Float32Array) => Float32Array,
): void {
  if (model.config.quantization?.packedRows) throw new InputError(`${model.directory.dir}: start from the float model`)
  mkdirSync(dir)
  const tensors = model.specs.map((spec) => ({
    name: spec.name,
    dtype: 'F32' as const,
    shape: spec.shape,
    data: () => change(spec, floats(model, spec)),
  }))
  writeSafetensors(join(dir, 'model.safetensors'), tensors, { format: 'pt' })
  const { quantization_config: _, ...config } = model.directory.config
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config))
  copyFileSync(tokenizerPath(model), join(dir, 'tokenizer.model'))
}

function floats(model: OpenCheckpoint, { name, shape }: ParameterSpec): Float32Array {
  const format = model.formats.get(name)
  if (!format) return readParameter(model, name)
  const part = (suffix: string) => {
    const entry = model.directory.tensors.get(name + suffix)
    if (!entry) throw new InputError(`${model.directory.dir}: tensor "${name}${suffix}" is missing`)
    return entry
  }
  const blocks = { values: readRaw(part(blockSuffix.values)), scales: readTensor(part(blockSuffix.scales)) }
  const [rows, inputs] = shape as [number, number]
  return dequantizeRows(blocks, 0, rows, inputs, format)
}

/** `bench -- rounding`. */
export const roundingBenchmark: Benchmark = {
  summary: "what rounding to 4 bits does to predictions, beside llama.cpp's q4_0",
  options: { ...modelOption, text: { type: 'string' } },
  help: `${MODEL_HELP}
      --text FILE        a text to predict and to calibrate with (default: what the model says of the example library)`,
  run: (args, context) => benchRounding({ ...context, ...modelOf(args), text: args.text('text') }),
}
