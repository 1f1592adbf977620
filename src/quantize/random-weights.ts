/**
 * Random weights in the shape of a configuration, by rows and fast: for measuring speed and memory where no checkpoint is at hand. They
 * are scaled so that activations stay finite; nothing sensible comes out. Training starts from train/initialise instead.
 */

import { hashText, normals } from '../common/normal-numbers.js'
import { parseModelConfig } from '../model/config.js'
import { modelParameters, type ParameterSpec } from '../model/parameters.js'
import type { FloatWeights } from './float-weights.js'

/** Normal numbers to copy from: drawing seven billion anew would take longer than writing them. */
const POOL = 1 << 20

/** The weights of a configuration; the same for the same seed. @throws InputError naming the field that is wrong */
export function randomWeights(config: Readonly<Record<string, unknown>>, name: string, seed: number): FloatWeights {
  const pool = Float32Array.from({ length: POOL }, normals(seed))
  const parsed = parseModelConfig(config, name)
  return {
    config,
    decoder: parsed.decoder,
    specs: modelParameters(parsed),
    rows: (spec, first, count) => randomRows(pool, spec, first, count),
  }
}

function randomRows(pool: Float32Array, { name, shape, group }: ParameterSpec, first: number, count: number): Float32Array {
  const width = shape.slice(1).reduce((a, b) => a * b, 1)
  const out = new Float32Array(count * width)
  if (/norm[^/]*\.weight$/.test(name) && shape.length === 1) return out.fill(1)
  if (name.endsWith('.bias')) return out
  const deviation = group === 'decoder' || group === 'plora' || shape.length < 2 ? 0.02 : 1 / Math.sqrt(width)
  const start = hashText(name)
  for (let row = 0; row < count; row++) {
    // Each row starts somewhere else in the pool, and runs on from there.
    let from = Math.imul(start ^ (first + row), 0x9e3779b1) >>> 12
    const end = (row + 1) * width
    for (let to = row * width; to < end; to++) {
      out[to] = deviation * (pool[from] as number)
      from = (from + 1) & (POOL - 1)
    }
  }
  return out
}
