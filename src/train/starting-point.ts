/**
 * What a training run starts from: configuration, tensors and their first values, tokenizer, from a model directory (whose
 * block-quantised weights are read as floats) or from a config.json alone. It knows no objective and no optimiser.
 */
import { readFileSync } from 'node:fs'
import { readRaw, readTensor, type TensorEntry } from '../checkpoint/tensors.js'
import { InputError } from '../common/errors.js'
import { type ModelConfig, parseModelConfig } from '../model/config.js'
import { packedRowOrder } from '../model/decoder/attention.js'
import { blockSuffix, type OpenCheckpoint, openModel, readParameter, tokenizerPath } from '../model/open-checkpoint.js'
import type { ParameterSpec } from '../model/parameter-spec.js'
import { modelParameters } from '../model/parameters.js'
import { dequantizeRows } from '../quantize/blocks.js'
import { withOverrides } from './model-overrides.js'
import type { Recipe } from './recipe.js'

/** A model before its first step. */
export interface StartingPoint {
  readonly config: ModelConfig
  /** Content of the config.json that goes with the trained model: without quantization_config, since float weights are written. */
  readonly configJson: unknown
  readonly specs: readonly ParameterSpec[]
  /** First values by tensor name; what is missing starts fresh. */
  readonly initial: Map<string, Float32Array>
  /** Path of the tokenizer. */
  readonly tokenizer: string
  /** What the user should know about this start, a line each. */
  readonly notices: readonly string[]
}

/** @throws InputError when model directory, config.json or tokenizer cannot be used */
export function startingPoint(recipe: Recipe): StartingPoint {
  const start = 'from' in recipe.start ? continued(recipe, recipe.start.from) : fresh(recipe, recipe.start.config)
  if (recipe.visionFrom) takeVisionTower(start, recipe.visionFrom)
  return recipe.model ? withOverrides(start, recipe.model, recipe.file) : start
}

function continued(recipe: Recipe, dir: string): StartingPoint {
  const model = openModel(dir)
  const initial = new Map(model.specs.map((s) => [s.name, readFloats(model, s)]))
  const tokenizer = recipe.tokenizer ?? tokenizerPath(model)
  if (tokenizer.endsWith('.json'))
    throw new InputError(
      `${tokenizer}: training starts only from models with a tokenizer.model; name one in the recipe's "tokenizer"`,
    )
  const { quantization, ...config } = model.config
  const { quantization_config: _, ...configJson } = model.directory.config as Record<string, unknown>
  const notices = quantization
    ? [
        `${dir}: ${model.formats.size} tensors are stored in blocks of ${quantization.bits} or more bits; training starts from them as floats and writes a float model`,
      ]
    : []
  return { config: { ...config, quantization: null }, configJson, specs: model.specs, initial, tokenizer, notices }
}

function fresh(recipe: Recipe, file: string): StartingPoint {
  let configJson: unknown
  try {
    configJson = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new InputError(`${file}: ${error instanceof Error ? error.message : 'cannot be read'}`)
  }
  const config = parseModelConfig(configJson, file)
  if (!recipe.tokenizer) throw new InputError(`${recipe.file}: tokenizer: expected a path, since init brings no tokenizer`)
  return { config, configJson, specs: modelParameters(config), initial: new Map(), tokenizer: recipe.tokenizer, notices: [] }
}

/**
 * A tensor as float32 in the network's own order of rows, whether it is stored as floats or in blocks.
 * @throws InputError when the model lacks it
 */
export function readFloats(model: OpenCheckpoint, { name, shape, packed }: ParameterSpec): Float32Array {
  const format = model.formats.get(name)
  if (!format) return readParameter(model, name)
  const entry = (suffix: string): TensorEntry => {
    const found = model.directory.tensors.get(name + suffix)
    if (!found) throw new InputError(`${model.directory.dir}: tensor "${name}${suffix}" is missing`)
    return found
  }
  const blocks = { values: readRaw(entry(blockSuffix.values)), scales: readTensor(entry(blockSuffix.scales)) }
  const [rows, inputs] = shape as [number, number]
  const values = dequantizeRows(blocks, 0, rows, inputs, format)
  if (!model.config.quantization?.packedRows || !packed) return values
  const ordered = new Float32Array(values.length)
  packedRowOrder(model.config.decoder).forEach((row, stored) => {
    ordered.set(values.subarray(stored * inputs, (stored + 1) * inputs), row * inputs)
  })
  return ordered
}

/** Replaces the vision tower's values by those of another model of the same shape; the projector to the old one starts anew. */
function takeVisionTower(start: StartingPoint, dir: string): void {
  const other = openModel(dir)
  const others = new Map(other.specs.map((s) => [s.name, s]))
  for (const spec of start.specs) {
    const { name, shape, part } = spec
    if (part === 'projector') start.initial.delete(name)
    if (part !== 'vision') continue
    const found = others.get(name)
    if (found?.shape.join() !== shape.join()) {
      throw new InputError(
        `${dir}: tensor "${name}": expected [${shape.join(', ')}], got [${found?.shape.join(', ') ?? 'no such tensor'}]`,
      )
    }
    start.initial.set(name, readFloats(other, spec))
  }
}
