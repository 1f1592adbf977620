/**
 * Heads in a size that the fused attention takes. Rotary positions turn the first half of a head against the second, so each half
 * [d/2] is widened by itself: [a, b] becomes [a, 0, b, 0]. The zeros add nothing to a score, and the values' zeros are dropped again.
 */
import type { Dim } from '../graph/dims.js'
import { expectRank, type Graph, staticDim, type Tensor } from '../graph/graph.js'
import { reshape } from './shape.js'

/** The fused attention with rotary positions takes heads of a multiple of this. */
const STEP = 16

/** Size of a head of (even) size `headDim` in the fused attention and its KV cache. */
export function cacheWidth(headDim: number): number {
  return Math.ceil(headDim / STEP) * STEP
}

/** Each half of every head with zeros behind it, or without its end: x [batch, tokens, heads from] -> [batch, tokens, heads to]. */
export function resizeHeads(g: Graph, x: Tensor, from: number, to: number): Tensor {
  if (from === to) return x
  const [batch, tokens] = expectRank('resizeHeads', x, 'f32', 3) as [Dim, Dim, Dim]
  const halves = (2 * staticDim('resizeHeads', x.shape, 2)) / from
  // A negative pad cuts off.
  const pads = g.constant('i64', [8], [0, 0, 0, 0, 0, 0, 0, (to - from) / 2])
  const cut = reshape(g, x, [batch, tokens, halves, from / 2])
  const resized = g.node('Pad', [cut, pads], [{ shape: [batch, tokens, halves, to / 2], dtype: 'f32' }])[0] as Tensor
  return reshape(g, resized, [batch, tokens, (halves * to) / 2])
}
