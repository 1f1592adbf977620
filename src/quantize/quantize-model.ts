/**
 * Writes a model directory with its linear weights block-quantised in 4 or 8 bits, piece by piece: a few dozen megabytes of floats are in
 * memory at a time, and the blocks of one tensor. The decoder, its embedding and its head take the bits asked for; the vision tower, adapter and
 * the projector, small and met by every image, take 8; what else is large stays in half precision, norms and biases in float32.
 */
import { copyFileSync, existsSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { streamSafetensors, type TensorToStream } from '../checkpoint/safetensors.js'
import { readRows } from '../checkpoint/tensors.js'
import { writeTextAtomically } from '../common/atomic.js'
import { InputError } from '../common/errors.js'
import { makeFolders } from '../common/folders.js'
import { type LongWork, pause } from '../common/long-work.js'
import type { BlockFormat } from '../engine/index.js'
import { EMBEDDING_BLOCK, tensorFormat } from '../model/block-format.js'
import { packedRowOrder, reorderRows } from '../model/decoder/attention.js'
import { blockSuffix, nanNotice, openModel } from '../model/open-checkpoint.js'
import type { ModelPart, ParameterSpec } from '../model/parameter-spec.js'
import { type Blocks, dequantizeRows, quantizeBlocks } from './blocks.js'
import type { Calibration } from './calibration.js'
import { type FloatWeights, rowPieces } from './float-weights.js'
import { Gptq } from './gptq.js'
import type { Hessian } from './hessian.js'
import { MatrixProduct } from './matrix-product.js'

/** Tensors in blocks of one part, and the root mean square of their rounding relative to that of their values. */
export interface PartError {
  readonly part: ModelPart
  readonly bits: number
  /** Of the tensor with the largest blocks. */
  readonly blockSize: number
  readonly tensors: number
  /** Values and scales together. */
  readonly bitsPerWeight: number
  readonly relativeError: number
}

/** How a model is quantised besides its bits and blocks. */
export interface QuantizeOptions extends LongWork {
  /** Receives one line for each tensor that holds NaN: rounded, nothing shows it any more. */
  readonly onNotice?: (line: string) => void
  /** Given the weights, the Hessians of the decoder's linear layers, which are then quantised by GPTQ. */
  readonly calibrate?: (weights: FloatWeights) => Calibration
}

/** What was written. */
export interface QuantizationReport {
  readonly parts: readonly PartError[]
  /** Of the written model.safetensors. */
  readonly bytes: number
}

/** Files that go with a model unchanged. */
const COPIED = [
  'tokenizer.model',
  'tokenizer.json',
  'tokenizer_config.json',
  'preprocessor_config.json',
  'generation_config.json',
]
/** Floats of a weight in memory at a time. */
const PIECE_FLOATS = 1 << 24

/**
 * Quantises the model of `dir` into the directory `out`.
 * @throws InputError when `dir` is no float model, or `out` is the same directory
 */
export async function quantizeModel(
  dir: string,
  out: string,
  format: BlockFormat,
  { onNotice = () => {}, calibrate, ...work }: QuantizeOptions = {},
): Promise<QuantizationReport> {
  const model = openModel(dir)
  if (model.config.quantization) throw new InputError(`${dir}: is quantised already; start from the float model`)
  if (resolve(dir) === resolve(out)) throw new InputError(`${out}: is the model itself; name another directory`)
  const entry = (name: string) => {
    const found = model.directory.tensors.get(name)
    if (!found) throw new InputError(`${dir}: tensor "${name}" is missing`)
    return found
  }
  // A large tensor comes in several pieces.
  const said = new Set<string>()
  const weights: FloatWeights = {
    config: model.directory.config,
    decoder: model.config.decoder,
    specs: model.specs,
    rows({ name }, first, count) {
      const values = readRows(entry(name), first, count)
      const notice = said.has(name) ? undefined : nanNotice(entry(name), values)
      if (notice !== undefined) {
        said.add(name)
        onNotice(notice)
      }
      return values
    },
  }
  const report = await writeQuantized(weights, out, format, { ...work, calibration: calibrate?.(weights) })
  for (const name of COPIED) {
    if (existsSync(model.directory.path(name))) copyFileSync(model.directory.path(name), join(out, name))
  }
  return report
}

/** Sums over the tensors of a part. */
interface PartSum {
  readonly valueBits: number
  largestBlock: number
  tensors: number
  weights: number
  bits: number
  squares: number
  errors: number
}

/** Writes weights and configuration; see quantizeModel. */
export async function writeQuantized(
  weights: FloatWeights,
  out: string,
  format: BlockFormat,
  { calibration, ...work }: LongWork & { readonly calibration?: Calibration | undefined } = {},
): Promise<QuantizationReport> {
  makeFolders(out, 'quantize')
  const sums = new Map<ModelPart, PartSum>()
  const order = packedRowOrder(weights.decoder)
  // Matrices that read the same inputs share one Hessian, and with it one quantiser.
  const product = new MatrixProduct(work.signal)
  const quantisers = new WeakMap<Hessian, Gptq>()
  const gptqOf = async (spec: ParameterSpec): Promise<Gptq | undefined> => {
    const hessian = await calibration?.of(spec)
    if (!hessian) return undefined
    const gptq = quantisers.get(hessian) ?? new Gptq(hessian, format)
    quantisers.set(hessian, gptq)
    return gptq
  }
  const tensors = weights.specs.flatMap((spec): TensorToStream[] => {
    const own = tensorFormat(spec, format)
    if (!own) return [floatTensor(weights, spec)]
    const [rows, inputs] = spec.shape as [number, number]
    const count = Math.ceil(inputs / own.blockSize)
    const sum = sums.get(spec.part) ?? {
      valueBits: own.bits,
      largestBlock: 0,
      tensors: 0,
      weights: 0,
      bits: 0,
      squares: 0,
      errors: 0,
    }
    sums.set(spec.part, sum)
    const inOrder = <T extends Uint8Array | Float32Array>(data: T): T => (spec.packed ? reorderRows(data, order) : data)
    // Values are asked for first and scales right after them: both come of one pass.
    let made: Blocks | undefined
    const blocks = async (): Promise<Blocks> => {
      const gptq = await gptqOf(spec)
      made = await quantizeTensor(weights, spec, own, sum, async (weight, n) => {
        await pause(work.signal)
        return gptq ? gptq.quantize(weight, n, inputs, product) : quantizeBlocks(weight, n, inputs, own)
      })
      return made
    }
    return [
      {
        name: spec.name + blockSuffix.values,
        dtype: 'U8',
        shape: [rows, count, (own.blockSize * own.bits) / 8],
        data: async () => inOrder((await blocks()).values),
      },
      {
        name: spec.name + blockSuffix.scales,
        dtype: 'F32',
        shape: [rows, count],
        data: async () => {
          const { scales } = made ?? (await blocks())
          made = undefined
          return inOrder(scales)
        },
      },
    ]
  })
  const file = join(out, 'model.safetensors')
  try {
    await streamSafetensors(file, tensors, { format: 'pt' }, work)
  } finally {
    product.dispose()
  }
  const quantization = { method: 'blocks', bits: format.bits, block_size: format.blockSize, wqkv_rows: 'packed' }
  const config = { ...weights.config, quantization_config: quantization }
  writeTextAtomically(join(out, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
  const parts = [...sums].map(
    ([part, sum]): PartError => ({
      part,
      bits: sum.valueBits,
      blockSize: sum.largestBlock,
      tensors: sum.tensors,
      bitsPerWeight: sum.bits / sum.weights,
      relativeError: Math.sqrt(sum.errors / (sum.squares || 1)),
    }),
  )
  const report = { parts, bytes: statSync(file).size }
  writeTextAtomically(join(out, 'README.md'), quantizationCard(basename(resolve(out)), format, report, calibration !== undefined))
  return report
}

function floatTensor(weights: FloatWeights, spec: ParameterSpec): TensorToStream {
  const half = spec.part === 'vision' && spec.shape.length > 1
  const data = (): Float32Array => weights.rows(spec, 0, spec.shape[0] ?? 1)
  return { name: spec.name, dtype: half ? 'F16' : 'F32', shape: spec.shape, data }
}

async function quantizeTensor(
  weights: FloatWeights,
  spec: ParameterSpec,
  format: BlockFormat,
  sum: PartSum,
  round: (weight: Float32Array, rows: number) => Promise<Blocks>,
): Promise<Blocks> {
  const [rows, inputs] = spec.shape as [number, number]
  const count = Math.ceil(inputs / format.blockSize)
  const blob = (count * format.blockSize * format.bits) / 8
  const all: Blocks = { values: new Uint8Array(rows * blob), scales: new Float32Array(rows * count) }
  for (const { first, count: n, values: weight } of rowPieces(weights, spec, PIECE_FLOATS)) {
    const blocks = await round(weight, n)
    all.values.set(blocks.values, first * blob)
    all.scales.set(blocks.scales, first * count)
    addErrors(sum, weight, dequantizeRows(blocks, 0, n, inputs, format))
  }
  sum.largestBlock = Math.max(sum.largestBlock, format.blockSize)
  sum.tensors++
  sum.weights += rows * inputs
  sum.bits += 8 * (all.values.byteLength + all.scales.byteLength)
  return all
}

function addErrors(sum: { squares: number; errors: number }, weight: Float32Array, restored: Float32Array): void {
  for (let i = 0; i < weight.length; i++) {
    const w = weight[i] as number
    sum.squares += w * w
    sum.errors += (w - (restored[i] as number)) ** 2
  }
}

function quantizationCard(name: string, format: BlockFormat, { parts, bytes }: QuantizationReport, calibrated: boolean): string {
  const rows = parts.map(
    (g) =>
      `| ${g.part} | ${g.tensors} | ${g.bits} | ${g.blockSize} | ${g.bitsPerWeight.toFixed(2)} | ${(100 * g.relativeError).toFixed(2)} % |`,
  )
  const how = calibrated
    ? `The decoder's weights were quantised by GPTQ and QuantEase sweeps, calibrated on a text: the error of one weight is compensated in others. That makes
the rounding error of the weights larger and that of the answers smaller.

`
    : ''
  return `# ${name}

Linear weights of the decoder in ${format.bits} bits, blocks of ${format.blockSize} values with one float32 scale each (the embedding at most ${EMBEDDING_BLOCK}), ${(bytes / 1e6).toFixed(1)} MB.
Rounding error: root mean square of the difference, relative to that of the values.

| part | tensors | bits | largest block | bits a weight | rounding error |
|---|---|---|---|---|---|
${rows.join('\n')}

${how}Patch embedding and positions of the vision tower are stored in half precision; norms and biases in float32.
`
}
