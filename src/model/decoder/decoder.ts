/**
 * The InternLM2 decoder with its adapter (SPEC 4), for training and inference alike. `attend` is the one place where the two
 * part: differentiable attention over the whole sequence, or fused attention over a KV cache.
 */
import { add, type Graph, gatherRows, mul, type RowIndex, rmsNorm, silu, type Tensor } from '../../engine/index.js'
import { type ImageRows, type MarkedRows, markRows } from '../adapter/adapter.js'
import { adapterOf } from '../adapter/table.js'
import type { DecoderConfig } from '../config.js'
import type { Weights } from '../weights.js'
import { type DecoderLinear, decoderLinears } from './linears.js'

/** Attention of one layer: qkv [batch, tokens, (heads + 2 kvHeads) d] -> [batch, tokens, heads d]. */
export type Attend = (g: Graph, qkv: Tensor, layer: number) => Tensor

/** The linear layers as the adapter has them, and how rows are marked for it. */
function adapted(g: Graph, w: Weights, c: DecoderConfig, image: ImageRows) {
  const adapter = adapterOf(c.adapter)
  const marked = adapter.rows === 'image' ? image : undefined
  return {
    mark: (rows: Tensor): MarkedRows => markRows(g, rows, marked),
    linear: (x: MarkedRows, layer: DecoderLinear): Tensor => adapter.apply(g, w, x, layer),
  }
}

/** The only rows that are wanted of the decoder. */
export interface KeptRows {
  readonly rows: RowIndex
  /** Which of them are image rows: an index [rows, 1], all, or none. */
  readonly image: ImageRows
}

/**
 * The first half of a block: x + attention(norm(x)). x [batch, tokens, hidden].
 * @param keep the only rows that are wanted behind the attention, which sees all of them; the result is then [rows, hidden]
 */
export function attentionHalf(
  g: Graph,
  w: Weights,
  c: DecoderConfig,
  x: Tensor,
  layer: number,
  image: ImageRows,
  attend: Attend,
  keep?: KeptRows,
): Tensor {
  const at = `model.layers.${layer}`
  const { wqkv, wo } = decoderLinears(c, layer)
  const { mark, linear } = adapted(g, w, c, image)
  const normed = mark(rmsNorm(g, x, w.tensor(g, `${at}.attention_norm.weight`), c.normEpsilon))
  const kept = (rows: Tensor) => (keep ? gatherRows(g, rows, keep.rows) : rows)
  const attended = kept(attend(g, linear(normed, wqkv), layer))
  return add(g, kept(x), linear(adapted(g, w, c, keep ? keep.image : image).mark(attended), wo))
}

/** The second half: h + ffn(norm(h)). h [..., hidden]. */
export function feedForwardHalf(g: Graph, w: Weights, c: DecoderConfig, h: Tensor, layer: number, image: ImageRows): Tensor {
  const at = `model.layers.${layer}`
  const { w1, w3, w2 } = decoderLinears(c, layer)
  const { mark, linear } = adapted(g, w, c, image)
  const n = mark(rmsNorm(g, h, w.tensor(g, `${at}.ffn_norm.weight`), c.normEpsilon))
  const gate = silu(g, linear(n, w1))
  const wide = mark(mul(g, gate, linear(n, w3)))
  return add(g, h, linear(wide, w2))
}

/** What a caller wants of the decoder besides its last states. */
export interface DecoderOptions {
  /** Sees the input and each block's output, as the reference's `hidden_states` list does. */
  readonly onHidden?: (index: number, hidden: Tensor) => void
  /**
   * The rows whose last states are wanted, where these are not all: the result is [rows, hidden]. What the last block does behind its
   * attention is done for these alone.
   */
  readonly keep?: KeptRows
}

/**
 * All blocks and the final norm: embeddings [batch, tokens, hidden] -> hidden states of the same shape.
 * @param image rows that are image tokens: [batch, column] pairs, or all; undefined for a graph of text alone
 */
export function decoder(
  g: Graph,
  w: Weights,
  c: DecoderConfig,
  embeddings: Tensor,
  image: ImageRows,
  attend: Attend,
  { onHidden = () => {}, keep }: DecoderOptions = {},
): Tensor {
  let x = embeddings
  onHidden(0, x)
  for (let layer = 0; layer < c.layers; layer++) {
    const last = layer + 1 === c.layers
    const kept = last ? keep : undefined
    x = attentionHalf(g, w, c, x, layer, image, attend, kept)
    x = feedForwardHalf(g, w, c, x, layer, kept ? kept.image : image)
    if (!last) onHidden(layer + 1, x)
  }
  const hidden = rmsNorm(g, x, w.tensor(g, 'model.norm.weight'), c.normEpsilon)
  onHidden(c.layers, hidden)
  return hidden
}
