/** LoRA (arXiv 2106.09685): every row, of text or image, adds the low-rank path. */
import { z } from 'zod'
import { add } from '../../engine/index.js'
import { dense } from '../weights.js'
import type { Adapter } from './adapter.js'
import { alphaSchema, type LowRank, lowRankParameters, lowRankPath, rankSchema } from './low-rank.js'

/** One rank and scale for all linear layers. */
export interface LoraConfig extends LowRank {
  readonly type: 'lora'
}

const NAMES = ['lora_A', 'lora_B'] as const

export const lora: Adapter<LoraConfig> = {
  schema: z
    .strictObject({ type: z.literal('lora'), rank: rankSchema, alpha: alphaSchema.optional() })
    .transform(({ rank, alpha = rank }) => ({ type: 'lora' as const, rank, scale: alpha / rank })),
  rows: 'all',
  parameters: (linear, c) => lowRankParameters(...NAMES, linear, c),
  apply: (g, w, x, linear, c) => add(g, dense(g, w, x.all, linear.name), lowRankPath(g, w, x.all, ...NAMES, linear, c)),
}
