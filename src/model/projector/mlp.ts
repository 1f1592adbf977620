/** The released projector (SPEC 5): two linear layers with an exact GELU between, for each patch by itself. */
import { z } from 'zod'
import { type Graph, gelu, type Tensor } from '../../engine/index.js'
import { denseParameters, type ParameterSpec } from '../parameter-spec.js'
import { dense, type Weights } from '../weights.js'
import { type Projector, projectorPrefix } from './projector.js'

const FIRST = `${projectorPrefix}.0`
const SECOND = `${projectorPrefix}.2`
/** Name of the last layer. */
export const mlpOutput = SECOND

/** Its two linear layers, inputs -> hidden -> hidden. */
export function mlpParameters(inputs: number, hidden: number): ParameterSpec[] {
  const at = { part: 'projector' } as const
  return [
    ...denseParameters(FIRST, hidden, inputs, at),
    ...denseParameters(SECOND, hidden, hidden, { ...at, deviation: rowDeviation(hidden) }),
  ]
}

/** Deviation of the last layer's weights: rows of images start no larger than those of words, or nothing that the decoder adds to them would count. */
export function rowDeviation(inputs: number): number {
  return 0.05 / Math.sqrt(inputs)
}

/** rows [..., inputs] -> [..., hidden]. */
export function mlpLayers(g: Graph, w: Weights, rows: Tensor): Tensor {
  return dense(g, w, gelu(g, dense(g, w, rows, FIRST)), SECOND)
}

/** Multiply-adds of the two layers for one row. */
export function mlpMultiplications(inputs: number, hidden: number): number {
  return inputs * hidden + hidden * hidden
}

export const mlp: Projector<{ readonly type: 'mlp' }> = {
  schema: z.strictObject({ type: z.literal('mlp') }),
  output: mlpOutput,
  imageTokens: (_, { grid }) => grid * grid,
  parameters: (_, { features, hidden }) => mlpParameters(features, hidden),
  build: (g, w, features) => mlpLayers(g, w, features),
  multiplications: (_, { grid, features, hidden }) => grid * grid * mlpMultiplications(features, hidden),
}
