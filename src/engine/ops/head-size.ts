/**
 * Heads in a size that the fused attention takes. Rotary positions turn the first half of a head against the second, so each half
 * [d/2] is widened by itself: [a, b] becomes [a, 0, b, 0]. The zeros add nothing to a score, and the values' zeros are dropped again.
 */
import type { Dim } from '../graph/dims.js'
import { expectRank, type Graph, staticDim } from '../graph/graph.js'
import { defineOperation, type Tensor } from '../graph/operation.js'
import { reshape } from './shape.js'

/** The fused attention with rotary positions takes heads of a multiple of this. */
const STEP = 16

/** Size of a head of (even) size `headDim` in the fused attention and its KV cache. */
export function cacheWidth(headDim: number): number {
  return Math.ceil(headDim / STEP) * STEP
}

const resizeHeadsOp = defineOperation<[Tensor], [Tensor], { from: number; to: number }>('resizeHeads', {
  infer([x], { from, to }) {
    const [batch, tokens] = expectRank('resizeHeads', x, 'f32', 3) as [Dim, Dim, Dim]
    return [{ shape: [batch, tokens, (to * staticDim('resizeHeads', x.shape, 2)) / from], dtype: 'f32' }]
  },
  emit(g, [x], [y], { from, to }) {
    const [batch, tokens, width] = x.shape as [Dim, Dim, number]
    const halves = (2 * width) / from
    // A negative pad cuts off.
    const pads = g.constant('i64', [8], [0, 0, 0, 0, 0, 0, 0, (to - from) / 2])
    const cut = reshape(g, x, [batch, tokens, halves, from / 2])
    const resized = g.float('Pad', [cut, pads], [batch, tokens, halves, to / 2])
    g.nodeInto('Reshape', [resized, g.constant('i64', [3], [0, 0, (halves * to) / 2])], [y])
  },
})

/**
 * Each half of every head with zeros behind it, or without its end (inference only):
 * x [batch, tokens, heads from] -> [batch, tokens, heads to].
 */
export function resizeHeads(g: Graph, x: Tensor, from: number, to: number): Tensor {
  return from === to ? x : g.apply(resizeHeadsOp, [x], { from, to })[0]
}
