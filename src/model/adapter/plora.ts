/** Partial LoRA (paper 3.2): every row passes the linear layer; image rows add a low-rank path. */
import { add, addRows, type Graph, gatherRows, type RowIndex, scale, type Tensor } from '../../engine/index.js'
import type { PloraConfig } from '../config.js'
import { dense, type Weights } from '../weights.js'

/** Which rows are image rows: those of an index, all of them, or none (a graph without PLoRA). */
export type ImageRows = RowIndex | 'all' | undefined

/** Rows with their image rows beside them, gathered once for all layers that read them. */
export interface MarkedRows {
  /** [batch, tokens, width]. */
  readonly all: Tensor
  /** The image rows and where they stand ('all' where they are all rows); absent in a graph without PLoRA. */
  readonly image?: { readonly index: RowIndex | 'all'; readonly rows: Tensor }
}

/** Gathers the image rows of x; without an index there are none. */
export function markRows(g: Graph, x: Tensor, image: ImageRows): MarkedRows {
  if (!image) return { all: x }
  return { all: x, image: { index: image, rows: image === 'all' ? x : gatherRows(g, x, image) } }
}

/**
 * x [batch, tokens, in] -> [batch, tokens, out]. Image rows are gathered, not masked: a text-only call (no index) is the
 * layer without PLoRA, to the bit, and an index of no rows does no work. Where all rows are image rows nothing is moved.
 */
export function plora(g: Graph, w: Weights, x: MarkedRows, name: string, c: PloraConfig): Tensor {
  const y = dense(g, w, x.all, name)
  if (!x.image) return y
  const { index, rows } = x.image
  const added = scale(g, w.product(g, w.product(g, rows, `${name}.Plora_A`), `${name}.Plora_B`), c.scale)
  return index === 'all' ? add(g, y, added) : addRows(g, y, index, added)
}
