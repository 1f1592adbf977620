/** The families of checkpoints, chosen by config.json's `model_type`; one that is not here is read under our own names. */
import { join } from 'node:path'
import type { ModelDirectory } from '../model-directory.js'
import { internlm2 } from './internlm2.js'
import { llama } from './llama.js'
import type { NameMap } from './name-map.js'

const families: readonly NameMap[] = [internlm2, llama]

/** Settings of a directory and its tensors, both under our names. */
export interface NamedCheckpoint {
  readonly config: Readonly<Record<string, unknown>>
  readonly directory: ModelDirectory
}

/**
 * A directory as the network reads it. `directory.config` stays as the file has it.
 * @throws InputError naming what a family has and we do not
 */
export function underOurNames(directory: ModelDirectory): NamedCheckpoint {
  const { model_type: type, architectures } = directory.config
  const family =
    families.find(({ modelTypes }) => modelTypes.some((known) => known === type)) ??
    (type === undefined && Array.isArray(architectures) && architectures.includes('LlamaForCausalLM') ? llama : undefined)
  if (!family) return { config: directory.config, directory }
  const file = join(directory.dir, 'config.json')
  const config = family.config(directory.config, directory.tensors, file)
  return { config, directory: { ...directory, tensors: family.tensors(directory.tensors, directory.config, file) } }
}
