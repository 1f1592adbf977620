/**
 * `bench -- llama`: prefill of 512 positions and decoding of 128 tokens, as llama-bench measures them, against llama-bench itself on
 * a q4_0 GGUF of the same shape, interleaved. Beside the speeds stand what buys them: bits a weight, the rounding error on the
 * same numbers (what that does to predictions is rounding.ts's question), and the share of the memory's read rate that decoding reaches.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { InputError } from '../src/common/errors.js'
import { normals } from '../src/common/normal-numbers.js'
import type { BlockFormat } from '../src/engine/index.js'
import { generate } from '../src/generate/generate.js'
import { XComposer } from '../src/inference/xcomposer.js'
import { dequantizeRows } from '../src/model/block-format.js'
import type { DecoderConfig } from '../src/model/config.js'
import { blockSuffix, openModel } from '../src/model/open-checkpoint.js'
import { quantizeBlocks } from '../src/quantize/blocks.js'
import { type Benchmark, type BenchResult, MODEL_HELP, type ModelContext, modelOf, modelOption } from './benchmark.js'
import { promptIds } from './decode-inputs.js'
import { dequantizeQ4, Q4_0_BITS, quantizeQ4, writeGguf } from './gguf.js'
import { readRate } from './limit.js'
import { digits, median, spread, summarise } from './samples.js'

/** What it is told. */
type Told = ModelContext & { readonly llamaBench: string | undefined }

const PREFILL = 512
const NEW_TOKENS = 128
/** Numbers that both sides round, for the error. */
const SAMPLE = 1 << 20
/** Deviation of the random weights. */
const DEVIATION = 0.02

const answer = z.array(
  z.object({
    n_prompt: z.number(),
    n_gen: z.number(),
    avg_ts: z.number().positive(),
    cpu_info: z.string(),
    build_commit: z.string(),
  }),
)

interface Speeds {
  readonly prefill: number
  readonly decode: number
}

/** Measures and reports prefill tokens/s; decoding is in the detail. */
async function benchLlama(o: Told): Promise<BenchResult> {
  const { llamaBench } = o
  if (llamaBench === undefined) throw new InputError('llama: --llama-bench PATH is missing: an executable built from llama.cpp')
  const temporary = mkdtempSync(join(tmpdir(), 'xcomposer-bench-'))
  const model = await XComposer.load(o.model, { threads: o.threads })
  try {
    const { quantization } = model.config
    if (quantization?.bits !== 4) throw new InputError(`${o.model}: is not in 4 bits; llama.cpp's q4_0 is compared with 4 bits`)
    const c = model.config.decoder
    const weights = Float32Array.from({ length: SAMPLE }, scaledNormals())
    const gguf = join(temporary, 'model.gguf')
    writeGguf(gguf, c, weights)
    const ours: Speeds[] = []
    const peer: Speeds[] = []
    let about = ''
    for (let run = 0; run < o.runs; run++) {
      ours.push(await ourRun(model))
      const theirs = await llamaRun(llamaBench, gguf, o.threads)
      peer.push(theirs)
      about = theirs.about
      o.print(`${said('ours', ours)}; ${said('llama.cpp', peer)}`)
    }
    const memory = await readRate(o.threads)
    const rate = (side: readonly Speeds[], what: keyof Speeds) => side.map((s) => s[what])
    const report = summarise('llama', rate(ours, 'prefill'), rate(peer, 'prefill'))
    const decode = summarise('llama decode', rate(ours, 'decode'), rate(peer, 'decode'))
    // Of the matrices that a token's step reads: all but the embedding, which is cut more finely.
    const bits = quantization.bits + 32 / quantization.blockSize
    return {
      report,
      detail: {
        unit: 'tokens/s',
        model: o.modelName,
        prefillTokens: PREFILL,
        newTokens: NEW_TOKENS,
        decode,
        peerDetail: {
          about,
          ggufBytes: statSync(gguf).size,
          spread: { prefill: digits(spread(rate(peer, 'prefill'))), decode: digits(spread(rate(peer, 'decode'))) },
        },
        bitsPerWeight: { ours: digits(decoderBits(o.model)), peer: Q4_0_BITS },
        relativeError: {
          ours: digits(ourError(weights, quantization)),
          peer: digits(relative(weights, dequantizeQ4(quantizeQ4(weights)))),
        },
        memory: {
          readGBps: digits(memory),
          decodeShare: digits((median(rate(ours, 'decode')) * readWeights(c) * bits) / 8e9 / memory),
          peerDecodeShare: digits((median(rate(peer, 'decode')) * readWeights(c) * Q4_0_BITS) / 8e9 / memory),
        },
        samples: { ours: rounded(ours), peer: rounded(peer) },
      },
    }
  } finally {
    model.dispose()
    rmSync(temporary, { recursive: true, force: true })
  }
}

/**
 * One pass over a prompt of its own, and a decoding that starts from one token: what llama-bench calls pp512 and tg128. Before it a pass
 * that is not timed, as llama-bench makes one.
 */
async function ourRun(model: XComposer): Promise<Speeds> {
  const ids = promptIds(model.config.decoder.vocabularySize, PREFILL)
  const warm = await model.prefill([{ kind: 'text', ids }], [])
  warm.sequence.dispose()
  const start = performance.now()
  const prompt = await model.prefill([{ kind: 'text', ids }], [])
  const prefill = (PREFILL * 1000) / (performance.now() - start)
  prompt.sequence.dispose()
  const { logits, sequence } = await model.prefill([{ kind: 'text', ids: ids.slice(0, 1) }], [])
  try {
    const began = performance.now()
    let made = 0
    for await (const _ of generate(logits, sequence, { maxNewTokens: NEW_TOKENS + 1 })) made++
    return { prefill, decode: ((made - 1) * 1000) / (performance.now() - began) }
  } finally {
    sequence.dispose()
  }
}

async function llamaRun(program: string, gguf: string, threads: number): Promise<Speeds & { about: string }> {
  const args = ['-m', gguf, '-p', String(PREFILL), '-n', String(NEW_TOKENS), '-t', String(threads), '-r', '1', '-o', 'json']
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 1 << 24 }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error)
    throw new InputError(`--llama-bench ${program}: failed (${reason})`)
  })
  const parsed = answer.safeParse(JSON.parse(stdout))
  const speed = (prompt: boolean) => parsed.data?.find((row) => row.n_prompt > 0 === prompt)?.avg_ts
  const [prefill, decode] = [speed(true), speed(false)]
  if (prefill === undefined || decode === undefined)
    throw new InputError(`--llama-bench ${program}: its answer is not the JSON that was expected`)
  return { prefill, decode, about: `llama.cpp ${parsed.data?.[0]?.build_commit}, ${parsed.data?.[0]?.cpu_info}` }
}

function scaledNormals(): () => number {
  const draw = normals(0)
  return () => DEVIATION * draw()
}

function ourError(weights: Float32Array, format: BlockFormat): number {
  const inputs = 4096
  const rows = weights.length / inputs
  return relative(weights, dequantizeRows(quantizeBlocks(weights, rows, inputs, format), 0, rows, inputs, format))
}

/** Root mean square of the difference, relative to that of the values. */
function relative(values: Float32Array, restored: Float32Array): number {
  let [errors, squares] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    const w = values[i] as number
    errors += (w - (restored[i] as number)) ** 2
    squares += w * w
  }
  return Math.sqrt(errors / squares)
}

/** Bits that the decoder's matrices take in the file, scales included, for each weight. */
function decoderBits(dir: string): number {
  const { directory, specs, formats } = openModel(dir)
  let [bits, weights] = [0, 0]
  for (const { name, shape, part } of specs) {
    if (part !== 'decoder' || !formats.has(name)) continue
    weights += shape.reduce((a, b) => a * b, 1)
    for (const suffix of Object.values(blockSuffix)) bits += 8 * (directory.tensors.get(name + suffix)?.byteLength ?? 0)
  }
  return bits / weights
}

function readWeights(c: DecoderConfig): number {
  const qkv = (c.heads + 2 * c.kvHeads) * c.headDim
  return c.layers * c.hiddenSize * (qkv + c.hiddenSize + 3 * c.intermediateSize) + c.vocabularySize * c.hiddenSize
}

function said(side: string, runs: readonly Speeds[]): string {
  const last = runs.at(-1)
  return `${side} prefill ${last?.prefill.toFixed(1)}, decode ${last?.decode.toFixed(2)} tokens/s`
}

function rounded(runs: readonly Speeds[]): Speeds[] {
  return runs.map(({ prefill, decode }) => ({ prefill: digits(prefill), decode: digits(decode) }))
}

/** `bench -- llama`. */
export const llamaBenchmark: Benchmark = {
  summary: 'prefill and decoding in 4 bits, against llama.cpp',
  options: { ...modelOption, 'llama-bench': { type: 'string' } },
  help: `${MODEL_HELP}
      --llama-bench PATH llama.cpp's benchmark program, interleaved`,
  programs: ['llama-bench'],
  run: (args, context) => benchLlama({ ...context, ...modelOf(args), llamaBench: args.text('llama-bench') }),
}
