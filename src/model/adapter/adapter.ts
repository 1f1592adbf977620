/**
 * What an adapter is: how the linear layers of the decoder treat rows of images (or all rows) beside their base weights. Each adapter is
 * one file and one line in table.ts; config.json chooses it. This file knows none of them.
 */
import type { z } from 'zod'
import { type Graph, gatherRows, type RowIndex, type Tensor } from '../../engine/index.js'
import type { DecoderLinear } from '../decoder/linears.js'
import type { ParameterSpec } from '../parameter-spec.js'
import type { Weights } from '../weights.js'

/** Which rows are image rows: those of an index, all of them, or none (a graph for text alone). */
export type ImageRows = RowIndex | 'all' | undefined

/** Rows with their image rows beside them, gathered once for all layers that read them. */
export interface MarkedRows {
  /** [batch, tokens, width]. */
  readonly all: Tensor
  /** The image rows and where they stand ('all' where they are all rows); absent in a graph for text alone. */
  readonly image?: { readonly index: RowIndex | 'all'; readonly rows: Tensor }
}

/** Gathers the image rows of x; without an index there are none. */
export function markRows(g: Graph, x: Tensor, image: ImageRows): MarkedRows {
  if (!image) return { all: x }
  return { all: x, image: { index: image, rows: image === 'all' ? x : gatherRows(g, x, image) } }
}

/** An adapter with settings `C`, as config.json's "adapter" gives them. */
export interface Adapter<C extends { readonly type: string }> {
  /** Reads "adapter" of config.json. */
  readonly schema: z.ZodType<C>
  /**
   * Rows that it acts on. With 'image', text rows are computed as without an adapter, to the bit, in graphs that do not carry it; otherwise
   * one graph serves all rows.
   */
  readonly rows: 'none' | 'image' | 'all'
  /** Its own tensors for one linear layer of a decoder block. */
  parameters(linear: DecoderLinear, c: C): ParameterSpec[]
  /**
   * The linear layer with the adapter: x [batch, tokens, inputs] -> [batch, tokens, outputs]. Image rows are gathered, not masked: an
   * index of no rows does no work.
   */
  apply(g: Graph, w: Weights, x: MarkedRows, linear: DecoderLinear, c: C): Tensor
}
