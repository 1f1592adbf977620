/**
 * Writes a model directory with its linear weights in 4- or 8-bit blocks, tensor by tensor. The language side (embedding,
 * head, decoder, PLoRA, projector) is quantised; the vision tower is kept in half precision, norms and biases in float32.
 */
import { copyFileSync, existsSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { makeFolders } from '../checkpoint/folders.js'
import { type TensorToWrite, writeSafetensors } from '../checkpoint/safetensors.js'
import type { BlockFormat } from '../engine/index.js'
import { InputError } from '../errors.js'
import { blockSuffix, type CheckpointModel, openModel, readParameter } from './checkpoint-model.js'
import type { ParameterSpec } from './parameters.js'
import { type Blocks, dequantizeRows, quantizeBlocks } from './quantize-blocks.js'

/** Root mean square error of the quantised tensors of one group, relative to their root mean square. */
export interface QuantizationReport {
  readonly tensors: number
  readonly relativeError: number
  /** Of the written model.safetensors. */
  readonly bytes: number
}

const copied = ['tokenizer.model', 'preprocessor_config.json', 'generation_config.json', 'README.md']

function inBlocks(spec: ParameterSpec, blockSize: number): boolean {
  return spec.group !== 'vision' && spec.shape.length === 2 && (spec.shape[1] as number) >= blockSize
}

/**
 * Quantises `dir` into the new directory `out`.
 * @throws InputError when `dir` is no float model, or `out` is the same directory
 */
export function quantizeModel(
  dir: string,
  out: string,
  format: BlockFormat,
  onTensor: (name: string) => void = () => {},
): QuantizationReport {
  const model = openModel(dir)
  if (model.config.quantization) throw new InputError(`${dir}: is quantised already; start from the float model`)
  if (resolve(dir) === resolve(out)) throw new InputError(`${out}: is the model itself; name another directory`)
  makeFolders(out, 'quantize')
  let squares = 0
  let errors = 0
  let tensors = 0
  function* entries(): Generator<TensorToWrite> {
    for (const spec of model.specs) {
      onTensor(spec.name)
      if (!inBlocks(spec, format.blockSize)) {
        const half = spec.group === 'vision' && spec.shape.length > 1
        yield { name: spec.name, dtype: half ? 'F16' : 'F32', shape: spec.shape, data: readParameter(model, spec.name) }
        continue
      }
      const [rows, inputs] = spec.shape as [number, number]
      const weight = readParameter(model, spec.name)
      const blocks = quantizeBlocks(weight, rows, inputs, format)
      const [square, error] = squaredError(weight, blocks, rows, inputs, format)
      squares += square
      errors += error
      tensors++
      const count = Math.ceil(inputs / format.blockSize)
      const values = [rows, count, (format.blockSize * format.bits) / 8]
      yield { name: spec.name + blockSuffix.values, dtype: 'U8', shape: values, data: blocks.values }
      yield { name: spec.name + blockSuffix.scales, dtype: 'F32', shape: [rows, count], data: blocks.scales }
    }
  }
  const file = join(out, 'model.safetensors')
  writeSafetensors(file, entries(), { format: 'pt' })
  writeConfig(model, out, format)
  for (const name of copied) if (existsSync(model.directory.path(name))) copyFileSync(model.directory.path(name), join(out, name))
  return { tensors, relativeError: Math.sqrt(errors / squares), bytes: statSync(file).size }
}

function writeConfig(model: CheckpointModel, out: string, format: BlockFormat): void {
  const config = {
    ...model.directory.config,
    quantization_config: { method: 'blocks', bits: format.bits, block_size: format.blockSize },
  }
  writeFileSync(join(out, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
}

function squaredError(weight: Float32Array, blocks: Blocks, rows: number, inputs: number, format: BlockFormat): [number, number] {
  let square = 0
  let error = 0
  for (let row = 0; row < rows; row++) {
    const restored = dequantizeRows(blocks, row, 1, inputs, format)
    for (let i = 0; i < inputs; i++) {
      const w = weight[row * inputs + i] as number
      square += w * w
      error += (w - (restored[i] as number)) ** 2
    }
  }
  return [square, error]
}
