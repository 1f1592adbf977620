/**
 * Partial LoRA (paper 3.2), the adapter of the released checkpoints: every row passes the linear layer; image rows add a low-rank path.
 * Their configurations name its ranks outside of "adapter", or not at all.
 */
import { z } from 'zod'
import { add, addRows } from '../../engine/index.js'
import { dense } from '../weights.js'
import type { Adapter } from './adapter.js'
import { alphaSchema, type LowRank, lowRankParameters, lowRankPath, rankSchema } from './low-rank.js'

/** Ranks and scales of wqkv, and of the four other linear layers. */
export interface PloraConfig {
  readonly type: 'plora'
  readonly wqkv: LowRank
  readonly others: LowRank
}

const NAMES = ['Plora_A', 'Plora_B'] as const

/** Rank of the releases. */
const DEFAULT_RANK = 256

export const plora: Adapter<PloraConfig> = {
  schema: z
    .strictObject({
      type: z.literal('plora'),
      rank: rankSchema.default(DEFAULT_RANK),
      alpha: alphaSchema.optional(),
      rank_wqkv: rankSchema.optional(),
      alpha_wqkv: alphaSchema.optional(),
    })
    .transform(({ rank, alpha = rank, rank_wqkv = rank, alpha_wqkv = rank_wqkv }) => ({
      type: 'plora' as const,
      wqkv: { rank: rank_wqkv, scale: alpha_wqkv / rank_wqkv },
      others: { rank, scale: alpha / rank },
    })),
  rows: 'image',
  parameters: (linear, c) => lowRankParameters(...NAMES, linear, linear.packed ? c.wqkv : c.others),
  apply(g, w, x, linear, c) {
    const y = dense(g, w, x.all, linear.name)
    if (!x.image) return y
    const { index, rows } = x.image
    const added = lowRankPath(g, w, rows, ...NAMES, linear, linear.packed ? c.wqkv : c.others)
    return index === 'all' ? add(g, y, added) : addRows(g, y, index, added)
  },
}

/** The fields by which configurations without "adapter" set PLoRA. */
export const releasedPloraFields = {
  plora_rank: rankSchema.optional(),
  plora_alpha: alphaSchema.optional(),
  plora_rank_wqkv: rankSchema.optional(),
  plora_alpha_wqkv: alphaSchema.optional(),
}

/** PLoRA ranks that a checkpoint's tensors have. */
export interface PloraRanks {
  readonly wqkv?: number
  readonly others?: number
}

/** The ranks in a checkpoint. @param shapeOf shape of a tensor, where there is one of the name */
export function ploraRanks(shapeOf: (name: string) => readonly number[] | undefined): PloraRanks {
  const wqkv = shapeOf('model.layers.0.attention.wqkv.Plora_A.weight')?.[0]
  const others = shapeOf('model.layers.0.attention.wo.Plora_A.weight')?.[0]
  return { ...(wqkv ? { wqkv } : {}), ...(others ? { others } : {}) }
}

/** Settings of a configuration without "adapter"; ranks that its checkpoint has count before those that it names. */
export function releasedPlora(c: z.infer<z.ZodObject<typeof releasedPloraFields>>, ranks: PloraRanks): PloraConfig {
  const wqkv = ranks.wqkv ?? c.plora_rank_wqkv ?? c.plora_rank ?? DEFAULT_RANK
  const others = ranks.others ?? c.plora_rank ?? DEFAULT_RANK
  // The scale cannot be read from shapes: 1, but 2 where wqkv has the 4KHD rank 8 and nothing else is said (SPEC 1).
  const alpha = c.plora_alpha_wqkv ?? (wqkv === 8 && c.plora_alpha === undefined ? 16 : wqkv)
  return {
    type: 'plora',
    wqkv: { rank: wqkv, scale: alpha / wqkv },
    others: { rank: others, scale: (c.plora_alpha ?? others) / others },
  }
}
