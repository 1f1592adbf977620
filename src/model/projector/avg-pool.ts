/** The grid of patches is averaged down to a smaller one, whose rows the MLP projects. */
import { z } from 'zod'
import { linear, transpose } from '../../engine/index.js'
import { mlpLayers, mlpMultiplications, mlpOutput, mlpParameters } from './mlp.js'
import type { Projector } from './projector.js'

/** Image tokens: a square number. */
export interface AvgPoolConfig {
  readonly type: 'avg-pool'
  readonly tokens: number
}

/**
 * Adaptive average pooling from grid x grid to side x side as a matrix [side^2, grid^2]: cell i averages the patches from
 * floor(i grid / side) to ceil((i + 1) grid / side).
 */
export function poolMatrix(grid: number, side: number): Float32Array {
  const matrix = new Float32Array(side * side * grid * grid)
  const span = (i: number): [number, number] => [Math.floor((i * grid) / side), Math.ceil(((i + 1) * grid) / side)]
  for (let cell = 0; cell < side * side; cell++) {
    const [top, bottom] = span(Math.floor(cell / side))
    const [left, right] = span(cell % side)
    const share = 1 / ((bottom - top) * (right - left))
    for (let y = top; y < bottom; y++) matrix.fill(share, (cell * grid + y) * grid + left, (cell * grid + y) * grid + right)
  }
  return matrix
}

export const avgPool: Projector<AvgPoolConfig> = {
  schema: z.strictObject({ type: z.literal('avg-pool'), tokens: z.number().int().min(1).max(1_000_000) }),
  problem({ tokens }, { grid }) {
    const fits = Number.isInteger(Math.sqrt(tokens)) && tokens <= grid * grid
    return fits ? undefined : `tokens: got ${tokens}, expected a square number of at most the ${grid * grid} patches`
  },
  output: mlpOutput,
  imageTokens: ({ tokens }) => tokens,
  parameters: (_, { features, hidden }) => mlpParameters(features, hidden),
  build(g, w, features, { tokens }, { grid }) {
    const pool = g.constant('f32', [tokens, grid * grid], poolMatrix(grid, Math.sqrt(tokens)))
    const pooled = linear(g, transpose(g, features, [0, 2, 1]), pool)
    return mlpLayers(g, w, transpose(g, pooled, [0, 2, 1]))
  },
  multiplications: ({ tokens }, { grid, features, hidden }) =>
    tokens * (grid * grid * features + mlpMultiplications(features, hidden)),
}
