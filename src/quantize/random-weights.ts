/**
 * Random weights in the shape of a configuration: for measuring speed and memory where no checkpoint is at hand. Activations stay finite;
 * nothing sensible comes out.
 */
import { parseModelConfig } from '../model/config.js'
import { randomRows } from '../model/initial-values.js'
import { modelParameters } from '../model/parameters.js'
import type { FloatWeights } from './float-weights.js'

/** The weights of a configuration; the same for the same seed. @throws InputError naming the field that is wrong */
export function randomWeights(config: Readonly<Record<string, unknown>>, name: string, seed: number): FloatWeights {
  const parsed = parseModelConfig(config, name)
  return { config, decoder: parsed.decoder, specs: modelParameters(parsed), rows: randomRows(seed) }
}
