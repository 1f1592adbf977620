/** What attention needs besides products: rotary positions, and the fused attention over a KV cache for inference. */
import type { Dim } from '../graph/dims.js'
import { ShapeError } from '../graph/errors.js'
import { expectRank, expectShape, type Graph, staticDim } from '../graph/graph.js'
import { defineOperation, type Operation, type Tensor, type Tensors } from '../graph/operation.js'
import { cacheWidth, resizeHeads } from './head-size.js'

const rotaryOp: Operation<[Tensor, Tensor, Tensor, Tensor], [Tensor], { backwards: boolean }> = defineOperation<
  [Tensor, Tensor, Tensor, Tensor],
  [Tensor],
  { backwards: boolean }
>('rotary', {
  infer([x, positions, cos]) {
    const shape = expectRank('rotary', x, 'f32', 4)
    const half = staticDim('rotary', shape, 3) / 2
    if (cos.shape[1] !== half || positions.dtype !== 'i64') {
      throw new ShapeError('rotary', [shape, cos.shape], `tables of [positions, ${half}]`, 'another')
    }
    return [{ shape, dtype: 'f32' }]
  },
  emit(g, [x, positions, cos, sin], outputs, { backwards }) {
    const s = sin
    const table = backwards ? g.node('Neg', [s], [{ shape: s.shape, dtype: 'f32' }])[0] : s
    g.nodeInto('RotaryEmbedding', [x, positions, cos, table], outputs, { interleaved: 0 }, 'com.microsoft')
  },
  gradient(g, { inputs: [, positions, cos, sin], grads: [dy], attributes: { backwards } }): [Tensor] {
    return g.apply(rotaryOp, [dy, positions, cos, sin], { backwards: !backwards })
  },
})

/**
 * Rotary position embedding, half-split convention (SPEC 4): x [batch, heads, tokens, d], positions i64 [1] (the first
 * position; the others follow) or [batch, tokens], tables [positions, d/2]. A rotation's gradient is the rotation backwards.
 */
export function rotary(g: Graph, x: Tensor, positions: Tensor, cos: Tensor, sin: Tensor): Tensor {
  return g.apply(rotaryOp, [x, positions, cos, sin], { backwards: false })[0]
}

/** The cache and the bookkeeping of fused attention. */
export interface CachedAttention {
  /** [batch, kvHeads, capacity, D], rotated keys; D = cacheWidth(d). */
  readonly pastKey: Tensor
  readonly pastValue: Tensor
  /** i32 [batch]: total length of each row after this step, minus 1. */
  readonly lastIndex: Tensor
  /** i32 [1]: the largest total length after this step. */
  readonly totalLength: Tensor
  /** [positions, D/2]; what stands behind the first d/2 columns has no effect. */
  readonly cos: Tensor
  readonly sin: Tensor
  readonly heads: number
  readonly kvHeads: number
  /** Where tokens are not simply one after the other: the branches of a prompt. */
  readonly branches?: {
    /** i64 [batch, tokens]: the position by which each is rotated. */
    readonly positions: Tensor
    /** f32 [1, 1, tokens, total]: added to the scores, a large negative number where a token may not look. */
    readonly bias: Tensor
  }
}

/** Inputs: packed heads, past keys and values, last index, total length, cos, sin, and for branches their positions and bias. */
const cachedAttentionOp = defineOperation<Tensors, [Tensor, Tensor, Tensor], { heads: number; kvHeads: number; headDim: number }>(
  'cachedAttention',
  {
    infer([qkv, pastKey, pastValue], { heads }) {
      const [batch, tokens] = (qkv as Tensor).shape as [Dim, Dim]
      const [key, value] = [pastKey as Tensor, pastValue as Tensor]
      return [
        { shape: [batch, tokens, heads * staticDim('cachedAttention', key.shape, 3)], dtype: 'f32' },
        { shape: key.shape, dtype: 'f32' },
        { shape: value.shape, dtype: 'f32' },
      ]
    },
    emit(g, [qkv, ...rest], outputs, { heads, kvHeads, headDim }) {
      const wide = staticDim('cachedAttention', (rest[0] as Tensor).shape, 3)
      const attributes = {
        num_heads: heads,
        kv_num_heads: kvHeads,
        do_rotary: 1,
        rotary_interleaved: 0,
        // By itself the kernel scales for the width that it sees.
        ...(wide === headDim ? {} : { scale: { float: 1 / Math.sqrt(headDim) } }),
      }
      g.nodeInto('GroupQueryAttention', [qkv, undefined, undefined, ...rest], outputs, attributes, 'com.microsoft')
    },
  },
)

/**
 * Causal grouped-query attention with rotary positions over a KV cache (inference only): qkv [batch, tokens,
 * (heads + 2 kvHeads) d] packed as queries | keys | values. Returns the output [batch, tokens, heads d] and the caches,
 * which are meant to be bound to the memory of the past ones (in place).
 */
export function cachedAttention(g: Graph, qkv: Tensor, a: CachedAttention): { output: Tensor; key: Tensor; value: Tensor } {
  expectRank('cachedAttention', qkv, 'f32', 3)
  const packed = a.heads + 2 * a.kvHeads
  const d = staticDim('cachedAttention', qkv.shape, 2) / packed
  if (d % 2 !== 0) throw new ShapeError('cachedAttention', [qkv.shape], `${packed} heads of an even size`, `a size of ${d}`)
  const wide = cacheWidth(d)
  const [rows, , capacity] = a.pastKey.shape as [Dim, Dim, Dim]
  for (const past of [a.pastKey, a.pastValue]) expectShape('cachedAttention', 'a cache', past, [rows, a.kvHeads, capacity, wide])
  const branches = a.branches ? [a.branches.positions, a.branches.bias] : []
  const heads = resizeHeads(g, qkv, d, wide)
  const inputs = [heads, a.pastKey, a.pastValue, a.lastIndex, a.totalLength, a.cos, a.sin, ...branches]
  const [output, key, value] = g.apply(cachedAttentionOp, inputs, { heads: a.heads, kvHeads: a.kvHeads, headDim: d })
  return { output: resizeHeads(g, output, wide, d), key, value }
}

const fullAttentionOp = defineOperation<[Tensor, Tensor, Tensor], [Tensor], { heads: number }>('fullAttention', {
  infer([q, k, v]) {
    const shape = expectRank('fullAttention', q, 'f32', 3)
    for (const other of [k, v]) {
      if (other.shape.length !== 3 || other.shape[2] !== shape[2]) {
        throw new ShapeError('fullAttention', [shape, other.shape], 'three of one width', 'others')
      }
    }
    return [{ shape, dtype: 'f32' }]
  },
  emit(g, inputs, outputs, { heads }) {
    g.nodeInto('MultiHeadAttention', inputs, outputs, { num_heads: heads }, 'com.microsoft')
  },
})

/**
 * Attention of every row to every row, fused (inference only): queries [batch, tokens, heads d], keys and values of the same width ->
 * the queries' shape. The scores of a few rows at a time stay in the processor's cache.
 */
export function fullAttention(g: Graph, q: Tensor, k: Tensor, v: Tensor, heads: number): Tensor {
  return g.apply(fullAttentionOp, [q, k, v], { heads })[0]
}
