/** Partial LoRA (paper 3.2): every row passes the linear layer; image rows add a low-rank path. */
import { addRows, type Graph, gatherRows, type RowIndex, scale, type Tensor } from '../engine/index.js'
import type { PloraConfig } from './config.js'
import { dense, type Weights } from './weights.js'

/** Rows with their image rows beside them, gathered once for all layers that read them. */
export interface MarkedRows {
  /** [batch, tokens, width]. */
  readonly all: Tensor
  /** Absent in a graph without PLoRA. */
  readonly image?: { readonly index: RowIndex; readonly rows: Tensor }
}

/** Gathers the image rows of x; without an index there are none. */
export function markRows(g: Graph, x: Tensor, image: RowIndex | undefined): MarkedRows {
  return image ? { all: x, image: { index: image, rows: gatherRows(g, x, image) } } : { all: x }
}

/**
 * x [batch, tokens, in] -> [batch, tokens, out]. Image rows are gathered, not masked: a text-only call (no index) is the
 * layer without PLoRA, to the bit, and an index of no rows does no work.
 */
export function plora(g: Graph, w: Weights, x: MarkedRows, name: string, c: PloraConfig): Tensor {
  const y = dense(g, w, x.all, name)
  if (!x.image) return y
  const low = w.product(g, x.image.rows, `${name}.Plora_A`)
  return addRows(g, y, x.image.index, scale(g, w.product(g, low, `${name}.Plora_B`), c.scale))
}
