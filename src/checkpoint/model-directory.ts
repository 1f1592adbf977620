/**
 * A model directory in the Hugging Face layout: config.json beside model.safetensors, or beside shards listed in
 * model.safetensors.index.json. Gives every tensor its place on disk; knows nothing of which tensors a network needs (that is
 * model/config) beyond the buffers that every loader ignores (SPEC section 3, loader rules).
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../errors.js'
import { describe, isRecord, readJsonObject } from './json.js'
import { openSafetensors, type TensorEntry } from './safetensors.js'

export interface ModelDirectory {
  readonly dir: string
  /** config.json as it stands: an object, nothing more is promised. */
  readonly config: Readonly<Record<string, unknown>>
  readonly tensors: ReadonlyMap<string, TensorEntry>
  /** Absolute or relative path of a file that belongs to the model, whether it exists or not. */
  path(name: string): string
}

const CONFIG = 'config.json'
const SINGLE = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'
const MAX_CONFIG = 10_000_000
const MAX_INDEX = 100_000_000
const IGNORED = /(^|\.)(rotary_emb\.inv_freq|position_ids)$/

/**
 * Opens a model directory; no tensor is read. Throws InputError when the directory, its config or its weights are missing
 * or broken, or when index and shards disagree.
 */
export function openModelDirectory(dir: string): ModelDirectory {
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) throw new InputError(`${dir}: no such model directory`)
  const path = (name: string): string => join(dir, plainName(dir, name))
  const tensors = existsSync(path(SINGLE)) ? openSingle(path(SINGLE)) : existsSync(path(INDEX)) ? openShards(dir) : noWeights(dir)
  return { dir, config: readJsonObject(path(CONFIG), MAX_CONFIG), tensors, path }
}

/** Only names directly inside the directory; shards may be links (as in the hub's cache), but no name may walk away. */
function plainName(where: string, name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name)) {
    throw new InputError(`${where}: file name ${describe(name)}, expected a plain name inside the model directory`)
  }
  return name
}

function openSingle(file: string): Map<string, TensorEntry> {
  const { tensors } = openSafetensors(file)
  return new Map([...tensors].filter(([name]) => !IGNORED.test(name)))
}

function openShards(dir: string): Map<string, TensorEntry> {
  const file = join(dir, INDEX)
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
    for (const [name, entry] of openSafetensors(join(dir, shard)).tensors) {
      if (IGNORED.test(name)) continue
      const listed = shardOf.get(name)
      if (listed === undefined) throw new InputError(`${file}: tensor ${describe(name)} of ${shard} is not in the index`)
      if (listed !== shard) throw new InputError(`${file}: tensor ${describe(name)} is listed in ${listed} but also in ${shard}`)
      tensors.set(name, entry)
    }
  }
  for (const [name, shard] of shardOf) {
    if (!tensors.has(name) && !IGNORED.test(name)) throw new InputError(`${file}: tensor ${describe(name)} is not in ${shard}`)
  }
  return tensors
}

function noWeights(dir: string): never {
  if (readdirSync(dir).some((name) => /^pytorch_model.*\.bin$/.test(name))) {
    throw new InputError(`${dir}: only torch pytorch_model*.bin weights, which are not read yet; convert them to ${SINGLE}`)
  }
  throw new InputError(`${dir}: no weights, expected ${SINGLE} or ${INDEX}`)
}
