/**
 * Tables of rotary position embeddings, with linear and dynamic NTK scaling (SPEC 4). The reference keeps the longest
 * table it ever made; here that is a state which callers may keep (parity) or drop (the default: once per request).
 */
import { allocate } from '../../engine/index.js'
import type { DecoderConfig } from '../config.js'

/** cos and sin of every position, [positions, columns] each, row major. */
export interface RotaryTables {
  readonly positions: number
  readonly cos: Float32Array
  readonly sin: Float32Array
}

/** Whether a total length changes the tables for every position: only dynamic scaling beyond the limit does. */
export function isStretched(c: DecoderConfig, total: number): boolean {
  return c.ropeScaling?.type === 'dynamic' && total > c.maxPositions
}

/**
 * Tables for `positions` positions. `longest` is the largest total length seen; beyond the configuration's limit dynamic
 * scaling stretches the base for every position. More columns than d/2 are zeros at the end of a row.
 */
export function rotaryTables(c: DecoderConfig, positions: number, longest = positions, columns = c.headDim / 2): RotaryTables {
  const d = c.headDim
  const scaling = c.ropeScaling
  let base = c.ropeTheta
  if (scaling && isStretched(c, longest)) {
    base *= ((scaling.factor * longest) / c.maxPositions - (scaling.factor - 1)) ** (d / (d - 2))
  }
  const step = scaling?.type === 'linear' ? scaling.factor : 1
  const cos = allocate('f32', positions * columns)
  const sin = allocate('f32', positions * columns)
  for (let j = 0; j < d / 2; j++) {
    // The reference computes frequencies and angles in float32.
    const frequency = Math.fround(1 / Math.fround(base ** ((2 * j) / d)))
    for (let p = 0; p < positions; p++) {
      const angle = Math.fround(Math.fround(p / step) * frequency)
      cos[p * columns + j] = Math.cos(angle)
      sin[p * columns + j] = Math.sin(angle)
    }
  }
  return { positions, cos, sin }
}
