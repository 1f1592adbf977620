/** A model directory with its configuration, checked against each other before anything is allocated (SPEC 3, 14b). */
import { existsSync } from 'node:fs'
import { type ModelDirectory, openModelDirectory } from '../checkpoint/model-directory.js'
import { underOurNames } from '../checkpoint/name-map/table.js'
import { checkFloat, readTensor, type TensorEntry } from '../checkpoint/tensors.js'
import { InputError } from '../common/errors.js'
import type { BlockFormat } from '../engine/index.js'
import { ploraRanks } from './adapter/plora.js'
import { type CheckpointShapes, type ModelConfig, parseModelConfig } from './config.js'
import { type ParameterSpec, tileMarks, visionPrefix } from './parameter-spec.js'
import { modelParameters } from './parameters.js'

/** An opened checkpoint: nothing is read yet but headers. */
export interface OpenCheckpoint {
  readonly directory: ModelDirectory
  readonly config: ModelConfig
  readonly specs: readonly ParameterSpec[]
  /** How each tensor that is stored in blocks is stored. */
  readonly formats: ReadonlyMap<string, BlockFormat>
}

/** Suffixes of a weight stored in blocks: values and scales (see quantize/blocks.ts). */
export const blockSuffix = { values: '.blocks', scales: '.scales' } as const

/**
 * Opens a model directory and checks that every tensor of its configuration is there in the right shape.
 * @throws InputError naming file, tensor, expected and got
 */
export function openModel(dir: string): OpenCheckpoint {
  const { directory, config: json } = underOurNames(openModelDirectory(dir))
  const config = parseModelConfig(json, directory.path('config.json'), checkpointShapes(directory))
  const specs = modelParameters(config)
  const formats = new Map<string, BlockFormat>()
  for (const spec of specs) {
    const values = directory.tensors.get(spec.name + blockSuffix.values)
    if (values) {
      formats.set(spec.name, blockFormat(config, spec, values, directory.tensors.get(spec.name + blockSuffix.scales)))
      continue
    }
    const entry = directory.tensors.get(spec.name)
    if (!entry) {
      throw new InputError(`${dir}: tensor "${spec.name}" is missing; config.json asks for [${spec.shape.join(', ')}]`)
    }
    if (entry.shape.join() !== spec.shape.join()) {
      throw new InputError(
        `${entry.file}: tensor "${spec.name}": expected [${spec.shape.join(', ')}] from config.json, got [${entry.shape.join(', ')}]; the two are not of one model`,
      )
    }
    checkFloat(entry)
  }
  return { directory, config, specs, formats }
}

/** Block sizes that the engine multiplies with. */
const BLOCK_SIZES = [16, 32, 64, 128, 256]

/**
 * How a tensor in blocks is cut. The decoder is as config.json says, but for its embedding, whose blocks may be smaller; other parts may
 * have more bits and larger blocks. Which it is shows in the bytes and the number of the blocks.
 * @throws InputError when values, scales and config.json disagree
 */
function blockFormat(
  config: ModelConfig,
  spec: ParameterSpec,
  values: TensorEntry,
  scales: TensorEntry | undefined,
): BlockFormat {
  const where = `${values.file}: tensor "${values.name}"`
  const { quantization } = config
  if (!quantization) throw new InputError(`${where}: is stored in blocks, but config.json has no quantization_config`)
  if (spec.shape.length !== 2)
    throw new InputError(`${where}: only matrices are stored in blocks, expected [${spec.shape.join(', ')}]`)
  const [rows, inputs] = spec.shape as [number, number]
  const [, count = 0, bytes = 0] = values.shape
  const smaller = BLOCK_SIZES.filter((size) => size < quantization.blockSize)
  const larger = BLOCK_SIZES.filter((size) => size > quantization.blockSize)
  const others: BlockFormat[] =
    spec.role === 'embedding'
      ? smaller.map((blockSize) => ({ bits: quantization.bits, blockSize }))
      : spec.part === 'decoder'
        ? []
        : [quantization.blockSize, ...larger].map((blockSize) => ({ bits: 8, blockSize }))
  const format = [quantization, ...others].find(
    ({ bits, blockSize }) => bytes === (blockSize * bits) / 8 && count === Math.ceil(inputs / blockSize),
  )
  if (!format || values.dtype !== 'U8' || values.shape.length !== 3 || values.shape[0] !== rows) {
    const { bits, blockSize } = quantization
    const expected = [rows, Math.ceil(inputs / blockSize), (blockSize * bits) / 8]
    throw new InputError(
      `${where}: ${values.dtype} [${values.shape.join(', ')}], expected U8 [${expected.join(', ')}] for ${bits} bits in blocks of ${blockSize}`,
    )
  }
  if (scales?.dtype !== 'F32' || scales.shape.join() !== [rows, count].join()) {
    const got = scales ? `${scales.dtype} [${scales.shape.join(', ')}]` : 'no such tensor'
    throw new InputError(`${values.file}: tensor "${spec.name}${blockSuffix.scales}": ${got}, expected F32 [${rows}, ${count}]`)
  }
  return { bits: format.bits, blockSize: format.blockSize }
}

/** What the tensors' shapes say about the network; the released configurations leave most of it out. */
function checkpointShapes({ tensors }: ModelDirectory): CheckpointShapes {
  const shape = (name: string) => (tensors.get(name) ?? tensors.get(`${name}${blockSuffix.values}`))?.shape
  const vision = visionShapes((name) => shape(`${visionPrefix}.${name}`))
  return {
    ploraRanks: ploraRanks(shape),
    ...(vision ? { vision } : {}),
    tiled: tensors.has(tileMarks.separator),
  }
}

/** CLIP towers have heads of 64. */
const VISION_HEAD = 64

function visionShapes(shape: (name: string) => readonly number[] | undefined): CheckpointShapes['vision'] {
  const [hidden] = shape('embeddings.class_embedding') ?? []
  const patch = shape('embeddings.patch_embedding.weight')?.[2]
  const positions = shape('embeddings.position_embedding.weight')?.[0]
  const intermediate = shape('encoder.layers.0.mlp.fc1.weight')?.[0]
  if (!hidden || !patch || !positions || !intermediate) return undefined
  let layers = 1
  while (shape(`encoder.layers.${layers}.mlp.fc1.weight`)) layers++
  return {
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: Math.max(1, Math.floor(hidden / VISION_HEAD)),
    image_size: patch * Math.max(1, Math.floor(Math.sqrt(positions - 1))),
    patch_size: patch,
  }
}

/** A tensor as float32. */
export function readParameter(m: OpenCheckpoint, name: string): Float32Array {
  const entry = m.directory.tensors.get(name)
  if (!entry) throw new InputError(`${m.directory.dir}: tensor "${name}" is missing`)
  return readTensor(entry)
}

/**
 * A notice for a tensor whose values are not all numbers; undefined where `values` (all or some of its rows) holds no NaN. Such a model is
 * loaded all the same: a part that nobody asks for does no harm.
 */
export function nanNotice({ file, name }: TensorEntry, values: Float32Array): string | undefined {
  if (!holdsNaN(values)) return undefined
  return `${file}: tensor "${name}" holds NaN; answers will be wrong, download or convert the model again`
}

/** A plain loop: every float of a model passes here once, and a callback for each would be felt. */
function holdsNaN(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) return true
  return false
}

/** Path of the model's tokenizer. @throws InputError when the directory has none */
export function tokenizerPath(m: OpenCheckpoint): string {
  const path = m.directory.path('tokenizer.model')
  const json = m.directory.path('tokenizer.json')
  if (!existsSync(path) && existsSync(json)) return json
  if (!existsSync(path))
    throw new InputError(
      `${path}: no such file; a model directory needs its tokenizer.model, or a tokenizer.json of byte-level BPE`,
    )
  return path
}
