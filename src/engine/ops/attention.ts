/** What attention needs besides products: rotary positions, and the fused attention over a KV cache for inference. */
import type { Dim } from '../graph/dims.js'
import { ShapeError } from '../graph/errors.js'
import { expectRank, expectShape, type Graph, type Operation, staticDim, type Tensor } from '../graph/graph.js'
import { cacheWidth, resizeHeads } from './head-size.js'

const rotaryOp: Operation<{ backwards: boolean }> = {
  name: 'rotary',
  infer([x, positions, cos]) {
    const shape = expectRank('rotary', x as Tensor, 'f32', 4)
    const half = staticDim('rotary', shape, 3) / 2
    if ((cos as Tensor).shape[1] !== half || (positions as Tensor).dtype !== 'i64') {
      throw new ShapeError('rotary', [shape, (cos as Tensor).shape], `tables of [positions, ${half}]`, 'another')
    }
    return [{ shape, dtype: 'f32' }]
  },
  emit(g, [x, positions, cos, sin], outputs, { backwards }) {
    const s = sin as Tensor
    const table = backwards ? g.node('Neg', [s], [{ shape: s.shape, dtype: 'f32' }])[0] : s
    g.nodeInto('RotaryEmbedding', [x, positions, cos, table], outputs, { interleaved: 0 }, 'com.microsoft')
  },
  gradient: (g, { inputs: [, positions, cos, sin], grads: [dy], attributes: { backwards } }) => [
    g.apply(rotaryOp, [dy, positions, cos, sin] as Tensor[], { backwards: !backwards })[0],
    undefined,
    undefined,
    undefined,
  ],
}

/**
 * Rotary position embedding, half-split convention (SPEC 4): x [batch, heads, tokens, d], positions i64 [1] (the first
 * position; the others follow), tables [positions, d/2]. A rotation's gradient is the rotation backwards.
 */
export function rotary(g: Graph, x: Tensor, positions: Tensor, cos: Tensor, sin: Tensor): Tensor {
  return g.apply(rotaryOp, [x, positions, cos, sin], { backwards: false })[0] as Tensor
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

/**
 * Causal grouped-query attention with rotary positions over a KV cache (inference only): qkv [batch, tokens,
 * (heads + 2 kvHeads) d] packed as queries | keys | values. Returns the output [batch, tokens, heads d] and the caches,
 * which are meant to be bound to the memory of the past ones (in place).
 */
export function cachedAttention(g: Graph, qkv: Tensor, a: CachedAttention): { output: Tensor; key: Tensor; value: Tensor } {
  const [batch, tokens] = expectRank('cachedAttention', qkv, 'f32', 3)
  const packed = a.heads + 2 * a.kvHeads
  const d = staticDim('cachedAttention', qkv.shape, 2) / packed
  if (d % 2 !== 0) throw new ShapeError('cachedAttention', [qkv.shape], `${packed} heads of an even size`, `a size of ${d}`)
  const wide = cacheWidth(d)
  const [rows, , capacity] = a.pastKey.shape as [Dim, Dim, Dim]
  for (const past of [a.pastKey, a.pastValue]) expectShape('cachedAttention', 'a cache', past, [rows, a.kvHeads, capacity, wide])
  const branches = a.branches ? [a.branches.positions, a.branches.bias] : []
  const heads = resizeHeads(g, qkv, d, wide)
  const inputs = [heads, undefined, undefined, a.pastKey, a.pastValue, a.lastIndex, a.totalLength, a.cos, a.sin, ...branches]
  const [output, key, value] = g.node(
    'GroupQueryAttention',
    inputs,
    [
      { shape: [batch as Dim, tokens as Dim, a.heads * wide], dtype: 'f32' },
      { shape: a.pastKey.shape, dtype: 'f32' },
      { shape: a.pastValue.shape, dtype: 'f32' },
    ],
    {
      num_heads: a.heads,
      kv_num_heads: a.kvHeads,
      do_rotary: 1,
      rotary_interleaved: 0,
      // By itself the kernel scales for the width that it sees.
      ...(wide === d ? {} : { scale: { float: 1 / Math.sqrt(d) } }),
    },
    'com.microsoft',
  ) as [Tensor, Tensor, Tensor]
  return { output: resizeHeads(g, output, wide, d), key, value }
}

/**
 * Attention of every row to every row, fused (inference only): queries, keys and values [batch, tokens, heads d] -> the same shape.
 * The scores of a few rows at a time stay in the processor's cache.
 */
export function fullAttention(g: Graph, q: Tensor, k: Tensor, v: Tensor, heads: number): Tensor {
  const shape = expectRank('fullAttention', q, 'f32', 3)
  for (const other of [k, v]) {
    if (other.shape.length !== 3 || other.shape[2] !== shape[2]) {
      throw new ShapeError('fullAttention', [shape, other.shape], 'three equal shapes', 'others')
    }
  }
  return g.node('MultiHeadAttention', [q, k, v], [{ shape, dtype: 'f32' }], { num_heads: heads }, 'com.microsoft')[0] as Tensor
}
