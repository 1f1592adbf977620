/** Four neighbouring patches side by side become one row, which the MLP projects: a quarter of the image tokens. */
import { z } from 'zod'
import { type Dim, type Graph, reshape, type Tensor, transpose } from '../../engine/index.js'
import { mlpLayers, mlpMultiplications, mlpOutput, mlpParameters } from './mlp.js'
import type { Projector } from './projector.js'

/** features [images, grid^2, width], grid even -> [images, grid^2 / 4, 4 width]: patches (0,0), (0,1), (1,0), (1,1) of each square. */
export function mergeSquares(g: Graph, features: Tensor, grid: number): Tensor {
  const [images, , width] = features.shape as [Dim, Dim, number]
  const side = grid / 2
  const squares = transpose(g, reshape(g, features, [images, side, 2, side, 2, width]), [0, 1, 3, 2, 4, 5])
  return reshape(g, squares, [images, side * side, 4 * width])
}

export const merge2x2: Projector<{ readonly type: 'merge-2x2' }> = {
  schema: z.strictObject({ type: z.literal('merge-2x2') }),
  problem: (_, { grid }) => (grid % 2 ? `${grid} patches on a side, expected an even number to merge in squares` : undefined),
  output: mlpOutput,
  imageTokens: (_, { grid }) => grid ** 2 / 4,
  parameters: (_, { features, hidden }) => mlpParameters(4 * features, hidden),
  build: (g, w, features, _, { grid }) => mlpLayers(g, w, mergeSquares(g, features, grid)),
  multiplications: (_, { grid, features, hidden }) => (grid ** 2 / 4) * mlpMultiplications(4 * features, hidden),
}
