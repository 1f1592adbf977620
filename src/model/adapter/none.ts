/** No adapter: rows of images pass the decoder as those of text do. */
import { z } from 'zod'
import { dense } from '../weights.js'
import type { Adapter } from './adapter.js'

export const none: Adapter<{ readonly type: 'none' }> = {
  schema: z.strictObject({ type: z.literal('none') }),
  rows: 'none',
  parameters: () => [],
  apply: (g, w, x, { name }) => dense(g, w, x.all, name),
}
