/** Partial LoRA (paper 3.2): every row passes the linear layer; image rows add a low-rank path. */
import { addRows, type Graph, gatherRows, type RowIndex, scale, type Tensor } from '../engine/index.js'
import type { PloraConfig } from './config.js'
import { dense, type Weights } from './weights.js'

/**
 * x [batch, tokens, in] -> [batch, tokens, out]. Image rows are gathered, not masked: a text-only call (no index) is the
 * layer without PLoRA, to the bit, and an index of no rows does no work.
 */
export function plora(g: Graph, w: Weights, x: Tensor, name: string, image: RowIndex | undefined, c: PloraConfig): Tensor {
  const y = dense(g, w, x, name)
  if (!image) return y
  const low = w.product(g, gatherRows(g, x, image), `${name}.Plora_A`)
  return addRows(g, y, image, scale(g, w.product(g, low, `${name}.Plora_B`), c.scale))
}
