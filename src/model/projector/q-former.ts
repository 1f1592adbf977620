/**
 * Learned queries that look at the patches, in the manner of a Q-Former (arXiv 2301.12597) without text and self-attention: layers of
 * cross-attention and an MLP, each behind a LayerNorm and residual. The queries start from the mean of the image's features, so that they
 * differ from image to image from the first layer on.
 */
import { z } from 'zod'
import { add, type Dim, type Graph, gelu, layerNorm, mean, reshape, type Tensor } from '../../engine/index.js'
import { denseParameters, normParameters, type ParameterSpec } from '../parameter-spec.js'
import { dense, type Weights } from '../weights.js'
import { rowDeviation } from './mlp.js'
import { type Projector, projectorPrefix as p } from './projector.js'

/** Queries are the image tokens. */
export interface QFormerConfig {
  readonly type: 'q-former'
  readonly queries: number
  readonly layers: number
  readonly heads: number
}

const EPSILON = 1e-5
/** Width of the MLP, in widths of a query. */
const EXPANSION = 4

const OUTPUT = `${p}.out`
const layerName = (layer: number): string => `${p}.layers.${layer}`

function norm(g: Graph, w: Weights, x: Tensor, name: string): Tensor {
  return layerNorm(g, x, w.tensor(g, `${name}.weight`), w.tensor(g, `${name}.bias`), EPSILON)
}

export const qFormer: Projector<QFormerConfig> = {
  schema: z.strictObject({
    type: z.literal('q-former'),
    queries: z.number().int().min(1).max(65_536),
    layers: z.number().int().min(1).max(100).default(2),
    heads: z.number().int().min(1).max(1024),
  }),
  problem({ heads }, { features }) {
    return features % heads ? `heads: got ${heads}, expected a divisor of the features' width ${features}` : undefined
  },
  output: OUTPUT,
  imageTokens: ({ queries }) => queries,
  parameters({ queries, layers }, { features: width, hidden }) {
    const at = { part: 'projector' } as const
    const block = (layer: number): ParameterSpec[] => {
      const name = layerName(layer)
      const square = (part: string) => denseParameters(`${name}.${part}`, width, width, { ...at, layer })
      return [
        ...normParameters(`${name}.attention_norm`, width, { ...at, layer }),
        ...['q_proj', 'k_proj', 'v_proj', 'out_proj'].flatMap(square),
        ...normParameters(`${name}.mlp_norm`, width, { ...at, layer }),
        ...denseParameters(`${name}.fc1`, EXPANSION * width, width, { ...at, layer }),
        ...denseParameters(`${name}.fc2`, width, EXPANSION * width, { ...at, layer }),
      ]
    }
    return [
      { ...at, name: `${p}.queries`, shape: [queries, width], role: 'token' },
      ...normParameters(`${p}.features_norm`, width, at),
      ...Array.from({ length: layers }, (_, layer) => block(layer)).flat(),
      ...normParameters(`${p}.norm`, width, at),
      ...denseParameters(OUTPUT, hidden, width, { ...at, deviation: rowDeviation(width) }),
    ]
  },
  build(g, w, features, { layers, heads }, _, attend) {
    const [images, , width] = features.shape as [Dim, Dim, number]
    const seen = norm(g, w, features, `${p}.features_norm`)
    let x = add(g, reshape(g, mean(g, seen, 1), [images, 1, width]), w.tensor(g, `${p}.queries`))
    for (let layer = 0; layer < layers; layer++) {
      const at = layerName(layer)
      const q = dense(g, w, norm(g, w, x, `${at}.attention_norm`), `${at}.q_proj`)
      const mixed = attend(g, q, dense(g, w, seen, `${at}.k_proj`), dense(g, w, seen, `${at}.v_proj`), heads)
      x = add(g, x, dense(g, w, mixed, `${at}.out_proj`))
      const wide = gelu(g, dense(g, w, norm(g, w, x, `${at}.mlp_norm`), `${at}.fc1`))
      x = add(g, x, dense(g, w, wide, `${at}.fc2`))
    }
    return dense(g, w, norm(g, w, x, `${p}.norm`), OUTPUT)
  },
  multiplications({ queries, layers }, { grid, features: width, hidden }) {
    const patches = grid * grid
    const attention = 2 * (queries + patches) * width ** 2 + 2 * queries * patches * width
    return layers * (attention + 2 * EXPANSION * queries * width ** 2) + queries * width * hidden
  },
}
