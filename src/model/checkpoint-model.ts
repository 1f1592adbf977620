/** A model directory with its configuration, checked against each other before anything is allocated (SPEC 3, 14b). */
import { existsSync } from 'node:fs'
import { type ModelDirectory, openModelDirectory } from '../checkpoint/model-directory.js'
import { readTensor } from '../checkpoint/tensors.js'
import { InputError } from '../errors.js'
import { type ModelConfig, parseModelConfig } from './config.js'
import { modelParameters, type ParameterSpec } from './parameters.js'

/** An opened checkpoint: nothing is read yet but headers. */
export interface CheckpointModel {
  readonly directory: ModelDirectory
  readonly config: ModelConfig
  readonly specs: readonly ParameterSpec[]
}

/** Suffixes of a weight stored in blocks: values and scales (see model/quantized.ts). */
export const blockSuffix = { values: '.blocks', scales: '.scales' } as const

/** Whether a tensor of the model is stored in quantised blocks. */
export function isQuantized(m: { readonly directory: ModelDirectory }, name: string): boolean {
  return m.directory.tensors.has(`${name}${blockSuffix.values}`)
}

/**
 * Opens a model directory and checks that every tensor of its configuration is there in the right shape.
 * @throws InputError naming file, tensor, expected and got
 */
export function openModel(dir: string): CheckpointModel {
  const directory = openModelDirectory(dir)
  const rank = (name: string) => {
    const entry = directory.tensors.get(`${name}.weight`) ?? directory.tensors.get(`${name}.weight${blockSuffix.values}`)
    return entry?.shape[0]
  }
  const wqkv = rank('model.layers.0.attention.wqkv.Plora_A')
  const others = rank('model.layers.0.attention.wo.Plora_A')
  const ranks = { ...(wqkv ? { wqkv } : {}), ...(others ? { others } : {}) }
  const config = parseModelConfig(directory.config, directory.path('config.json'), ranks)
  const specs = modelParameters(config)
  for (const spec of specs) {
    if (spec.optional || isQuantized({ directory }, spec.name)) continue
    const entry = directory.tensors.get(spec.name)
    if (!entry) {
      throw new InputError(`${dir}: tensor "${spec.name}" is missing; config.json asks for [${spec.shape.join(', ')}]`)
    }
    if (entry.shape.join() !== spec.shape.join()) {
      throw new InputError(
        `${entry.file}: tensor "${spec.name}": expected [${spec.shape.join(', ')}] from config.json, got [${entry.shape.join(', ')}]`,
      )
    }
  }
  return { directory, config, specs }
}

/** A tensor as float32. */
export function readParameter(m: CheckpointModel, name: string): Float32Array {
  const entry = m.directory.tensors.get(name)
  if (!entry) throw new InputError(`${m.directory.dir}: tensor "${name}" is missing`)
  return readTensor(entry)
}

/** Path of the model's tokenizer. @throws InputError when the directory has none */
export function tokenizerPath(m: CheckpointModel): string {
  const path = m.directory.path('tokenizer.model')
  if (!existsSync(path)) throw new InputError(`${path}: no such file; a model directory needs its tokenizer.model`)
  return path
}
