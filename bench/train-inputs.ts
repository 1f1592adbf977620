/**
 * What the training benchmark trains on: a configuration, random weights and one SFT-like batch, the same for every side.
 * Random weights are enough: the time of a step does not depend on them.
 */
import { join } from 'node:path'
import { type TensorToWrite, writeSafetensors } from '../src/checkpoint/safetensors.js'
import { InputError } from '../src/common/errors.js'
import { readJsonObject } from '../src/common/json.js'
import { type Random, random } from '../src/common/random.js'
import type { TensorRates } from '../src/engine/index.js'
import { type ModelConfig, parseModelConfig } from '../src/model/config.js'
import { imageTokens } from '../src/model/image-rows.js'
import type { ParameterSpec } from '../src/model/parameter-spec.js'
import { modelParameters } from '../src/model/parameters.js'
import type { TrainingBatch } from '../src/train/batch.js'

/** Rows of a batch and their length; a third of the text is an answer, which is what SFT learns. */
export const shape = { rows: 16, length: 128 } as const

/** The optimiser's settings, the paper's SFT stage (SPEC 11). */
export const optimiser = { rate: 5e-5, weightDecay: 0.1, betas: [0.9, 0.95] as const, epsilon: 1e-8, maxNorm: 1 }

/** Everything that both sides start from. */
export interface TrainInputs {
  readonly config: ModelConfig
  readonly specs: readonly ParameterSpec[]
  readonly weights: ReadonlyMap<string, Float32Array>
  readonly batch: TrainingBatch
}

/** Reads a config.json and makes weights and a batch for it. @throws InputError for a model without pictures */
export function trainInputs(configFile: string): TrainInputs {
  const config = parseModelConfig(readJsonObject(configFile, 1 << 20), configFile)
  const tokens = imageTokens(config)
  if (!tokens || tokens + 16 > shape.length) {
    throw new InputError(
      `${configFile}: a picture must have at most ${shape.length - 16} tokens, got ${tokens || 'no vision_config'}`,
    )
  }
  const specs = modelParameters(config)
  const draw = random(1, 0)
  const weights = new Map(specs.map((s) => [s.name, initial(s, draw)]))
  return { config, specs, weights, batch: makeBatch(config, tokens) }
}

/** Norms around 1, other vectors around 0, matrices so that activations keep their size. */
function initial({ role, shape: dims }: ParameterSpec, draw: Random): Float32Array {
  const size = dims.reduce((a, b) => a * b, 1)
  const vector = dims.length === 1
  const centre = role === 'norm' ? 1 : 0
  const range = vector ? 0.05 : role === 'embedding' || role === 'position' ? 0.1 : Math.sqrt(1 / (dims.at(-1) ?? 1))
  return Float32Array.from({ length: size }, () => centre + draw.between(-range, range))
}

/** Per row: one picture, a question, an answer whose tokens are the labels. */
function makeBatch(config: ModelConfig, imageTokens: number): TrainingBatch {
  const { rows, length } = shape
  const draw = random(1, 1)
  const { vocabularySize, padId } = config.decoder
  const answer = length - Math.floor((length - imageTokens) / 2)
  const ids = new Int32Array(rows * length).fill(padId)
  const labels = new Int32Array(rows * length).fill(-100)
  const imagePositions: number[] = []
  for (let at = 0; at < rows * length; at++) {
    const column = at % length
    if (column >= 1 && column <= imageTokens) imagePositions.push(at)
    else ids[at] = 3 + draw.below(vocabularySize - 3)
    if (column >= answer) labels[at] = ids[at] as number
  }
  const side = config.vision?.imageSize ?? 0
  const pixels = Float32Array.from({ length: rows * 3 * side * side }, () => draw.between(-2, 2))
  return { rows, length, ids, labels, imagePositions: Int32Array.from(imagePositions), pixels, images: rows }
}

/** Writes weights and batch where the peer reads them; rates go as tensors [tensors, 2] in the order of the metadata. */
export function writeInputs(dir: string, inputs: TrainInputs, rates: ReadonlyMap<string, TensorRates>): string {
  const file = join(dir, 'train.safetensors')
  const { batch, specs, weights } = inputs
  const ints = (name: string, data: Int32Array, dims: readonly number[]): TensorToWrite => ({
    name,
    dtype: 'I32',
    shape: dims,
    data,
  })
  const side = inputs.config.vision?.imageSize ?? 0
  const tensors: TensorToWrite[] = specs.map((s) => ({
    name: s.name,
    dtype: 'F32',
    shape: s.shape,
    data: weights.get(s.name) ?? new Float32Array(0),
  }))
  tensors.push(
    ints('batch.ids', batch.ids, [batch.rows, batch.length]),
    ints('batch.labels', batch.labels, [batch.rows, batch.length]),
    ints('batch.image_positions', batch.imagePositions, [batch.imagePositions.length]),
    { name: 'batch.pixels', dtype: 'F32', shape: [batch.images, 3, side, side], data: batch.pixels },
  )
  writeSafetensors(file, tensors, {
    optimiser: JSON.stringify(optimiser),
    rates: JSON.stringify(Object.fromEntries(rates)),
  })
  return file
}
