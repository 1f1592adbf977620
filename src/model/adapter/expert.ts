/**
 * A visual expert (CogVLM, arXiv 2311.03079): image rows pass full weights of their own in place of the base layer's, from whose values
 * these start.
 */
import { z } from 'zod'
import { setRows } from '../../engine/index.js'
import type { ParameterSpec } from '../parameter-spec.js'
import { dense } from '../weights.js'
import type { Adapter } from './adapter.js'

export const expert: Adapter<{ readonly type: 'expert' }> = {
  schema: z.strictObject({ type: z.literal('expert') }),
  rows: 'image',
  parameters({ name, layer, outputs, inputs, bias, packed }) {
    const at = { part: 'adapter', layer, ...(packed ? { packed } : {}) } as const
    const own = (kind: 'weight' | 'bias') => ({ name: `${name}.expert.${kind}`, startsAs: `${name}.${kind}` })
    const weight: ParameterSpec = { ...at, ...own('weight'), shape: [outputs, inputs], role: 'linear' }
    return bias ? [weight, { ...at, ...own('bias'), shape: [outputs], role: 'bias' }] : [weight]
  },
  apply(g, w, x, { name }) {
    if (!x.image) return dense(g, w, x.all, name)
    const { index, rows } = x.image
    const own = dense(g, w, rows, `${name}.expert`)
    return index === 'all' ? own : setRows(g, dense(g, w, x.all, name), index, own)
  },
}
