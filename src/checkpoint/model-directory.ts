/**
 * A model directory in the Hugging Face layout: config.json beside model.safetensors or pytorch_model.bin, or beside shards listed in
 * an index of either kind (safetensors where both are there). Gives every tensor its place on disk; knows nothing of which tensors a
 * network needs (that is model/config) beyond the buffers that every loader ignores (SPEC section 3, loader rules).
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../common/errors.js'
import { describe, isRecord, readJsonObject } from '../common/json.js'
import { refuseOtherTensors, refuseOtherThings } from './refusals.js'
import { openSafetensors } from './safetensors.js'
import type { TensorEntry } from './tensors.js'
import { openTorchFile } from './torch-file.js'

export interface ModelDirectory {
  readonly dir: string
  /** config.json as it stands: an object, nothing more is promised. */
  readonly config: Readonly<Record<string, unknown>>
  readonly tensors: ReadonlyMap<string, TensorEntry>
  /** Absolute or relative path of a file that belongs to the model, whether it exists or not. */
  path(name: string): string
}

const CONFIG = 'config.json'
/** The files that can hold the weights, in the order of preference: the whole in one, or an index of shards. */
const WEIGHTS = [
  { single: 'model.safetensors', index: 'model.safetensors.index.json', open: (file: string) => openSafetensors(file).tensors },
  { single: 'pytorch_model.bin', index: 'pytorch_model.bin.index.json', open: openTorchFile },
] as const
const MAX_CONFIG = 10_000_000
const MAX_INDEX = 100_000_000
const IGNORED = /(^|\.)(rotary_emb\.inv_freq|position_ids)$/

/**
 * Opens a model directory; no tensor is read. Throws InputError when the directory, its config or its weights are missing
 * or broken, or when index and shards disagree.
 */
export function openModelDirectory(dir: string): ModelDirectory {
  refuseOtherThings(dir)
  const path = (name: string): string => join(dir, plainName(dir, name))
  const config = readJsonObject(path(CONFIG), MAX_CONFIG)
  const tensors = openWeights(dir)
  refuseOtherTensors(dir, tensors.keys())
  return { dir, config, tensors, path }
}

/** Only names directly inside the directory; shards may be links (as in the hub's cache), but no name may walk away. */
function plainName(where: string, name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name)) {
    throw new InputError(`${where}: file name ${describe(name)}, expected a plain name inside the model directory`)
  }
  return name
}

type OpenFile = (file: string) => ReadonlyMap<string, TensorEntry>

/** The tensors of a directory, without its config. @throws InputError as openModelDirectory */
export function openWeights(dir: string): Map<string, TensorEntry> {
  for (const { single, index, open } of WEIGHTS) {
    if (existsSync(join(dir, single))) return new Map([...open(join(dir, single))].filter(([name]) => !IGNORED.test(name)))
    if (existsSync(join(dir, index))) return openShards(dir, join(dir, index), open)
  }
  throw new InputError(`${dir}: no weights, expected ${WEIGHTS.flatMap(({ single, index }) => [single, index]).join(', ')}`)
}

function openShards(dir: string, file: string, open: OpenFile): Map<string, TensorEntry> {
  const { weight_map: weights } = readJsonObject(file, MAX_INDEX)
  if (!isRecord(weights))
    throw new InputError(`${file}: weight_map: expected an object of tensor name to file, got ${describe(weights)}`)
  const shardOf = new Map<string, string>()
  for (const [name, shard] of Object.entries(weights)) {
    if (typeof shard !== 'string')
      throw new InputError(`${file}: tensor ${describe(name)}: expected a file name, got ${describe(shard)}`)
    shardOf.set(name, plainName(`${file}: tensor ${describe(name)}`, shard))
  }
  const tensors = new Map<string, TensorEntry>()
  for (const shard of new Set(shardOf.values())) {
    if (!existsSync(join(dir, shard)))
      throw new InputError(`${join(dir, shard)}: no such file, but ${file} names it; get the model again`)
    for (const [name, entry] of open(join(dir, shard))) {
      if (IGNORED.test(name)) continue
      const listed = shardOf.get(name)
      if (listed === undefined) throw new InputError(`${file}: tensor ${describe(name)} of ${shard} is not in the index`)
      if (listed !== shard) throw new InputError(`${file}: tensor ${describe(name)} is listed in ${listed} but also in ${shard}`)
      tensors.set(name, entry)
    }
  }
  for (const [name, shard] of shardOf) {
    if (!tensors.has(name) && !IGNORED.test(name))
      throw new InputError(`${file}: tensor ${describe(name)} is not in ${shard}; get the model again`)
  }
  return tensors
}
