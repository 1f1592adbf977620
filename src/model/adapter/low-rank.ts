/** The low-rank path that PLoRA and LoRA share: scale * B A x beside a linear layer. */
import { z } from 'zod'
import { type Graph, scale, type Tensor } from '../../engine/index.js'
import type { DecoderLinear } from '../decoder/linears.js'
import type { ParameterSpec } from '../parameter-spec.js'
import type { Weights } from '../weights.js'

/** Rank and scale of a path; configurations give the scale as alpha = scale * rank. */
export interface LowRank {
  readonly rank: number
  readonly scale: number
}

/** A rank in config.json. */
export const rankSchema = z.number().int().min(1).max(1_000_000)
/** An alpha in config.json; without one the scale is 1. */
export const alphaSchema = z.number().positive()

/** The factors A [rank, inputs] and B [outputs, rank] of a linear layer. */
export function lowRankParameters(a: string, b: string, linear: DecoderLinear, { rank }: LowRank): ParameterSpec[] {
  const { name, layer, outputs, inputs, packed } = linear
  const at = { part: 'adapter', layer } as const
  return [
    { ...at, name: `${name}.${a}.weight`, shape: [rank, inputs], role: 'low-rank-a' },
    { ...at, name: `${name}.${b}.weight`, shape: [outputs, rank], role: 'low-rank-b', ...(packed ? { packed } : {}) },
  ]
}

/** rows [..., inputs] -> what is added to the layer's outputs. */
export function lowRankPath(
  g: Graph,
  w: Weights,
  rows: Tensor,
  a: string,
  b: string,
  { name }: DecoderLinear,
  c: LowRank,
): Tensor {
  return scale(g, w.product(g, w.product(g, rows, `${name}.${a}`), `${name}.${b}`), c.scale)
}
