/**
 * What a family of decoders calls its tensors and settings, as this network's names (those of InternLM2): nothing behind it knows that there
 * are others. A tensor that already has our name is left as it is, so a model that was quantised or trained here keeps its config.json.
 */
import type { TensorEntry } from '../tensors.js'

type Json = Readonly<Record<string, unknown>>
export type Tensors = ReadonlyMap<string, TensorEntry>

/** One family of checkpoints. */
export interface NameMap {
  /** `model_type` values of config.json that are of this family. */
  readonly modelTypes: readonly string[]
  /** Settings under our names. @param file config.json, named in errors @throws InputError naming what is not supported */
  config(json: Json, tensors: Tensors, file: string): Json
  /** The tensors under our names, composed where several become one; nothing is read. @throws InputError where they do not fit together */
  tensors(tensors: Tensors, json: Json, file: string): Tensors
}
