/**
 * Differentiable causal attention over whole sequences, for training. wqkv's output is grouped by KV head (SPEC 4):
 * [kvHeads, group + 2, d], the group's queries first, then its key and its value.
 */
import {
  add,
  allocate,
  cacheWidth,
  cut,
  type Dim,
  type Graph,
  join,
  matmul,
  product,
  reshape,
  resizeHeads,
  rotary,
  softmax,
  split,
  type Tensor,
  transpose,
} from '../../engine/index.js'
import type { DecoderConfig } from '../config.js'
import type { Attend } from './decoder.js'

/** What positions and causality need, as graph inputs. */
export interface SequenceTables {
  /** [positions, d/2]. */
  readonly cos: Tensor
  readonly sin: Tensor
  /** i64 [1], the first position, or [batch, tokens], each one's. */
  readonly positions: Tensor
  /**
   * One for each block of queries, in order; tokens are a multiple of them. Block i of n is [tokens / n, (i + 1) tokens / n] or [batch, 1,
   * the same]: 0 where a query may look, else a large negative number. Keys behind a block are not looked at, so more blocks
   * compute less in vain.
   */
  readonly masks: readonly Tensor[]
}

/** What is added to the score of a key that a query may not see. */
const HIDDEN = -1e30

/** The additive mask of queries [first, tokens) over all `tokens` keys: [tokens - first, tokens]. */
export function causalMask(tokens: number, first = 0): Float32Array {
  const mask = new Float32Array(new ArrayBuffer((tokens - first) * tokens * 4)).fill(HIDDEN)
  for (let row = first; row < tokens; row++) mask.fill(0, (row - first) * tokens, (row - first) * tokens + row + 1)
  return mask
}

/** Takes from one row's `causalMask` what stands in another branch; 0 is what all branches share. `branches` [at least tokens]. */
export function separateBranches(mask: Float32Array, branches: Int32Array, tokens: number, first = 0): void {
  for (let query = first; query < tokens; query++) {
    const own = branches[query]
    if (own === 0) continue
    for (let key = 0; key < query; key++) {
      const branch = branches[key]
      if (branch !== 0 && branch !== own) mask[(query - first) * tokens + key] = HIDDEN
    }
  }
}

/** Positions of one row: the branches all go on where the shared part ends. `branches` [tokens]. */
export function branchPositions(branches: Int32Array): Int32Array {
  const shared = branches.findIndex((branch) => branch !== 0)
  let start = 0
  return branches.map((branch, i) => {
    if (branch !== branches[i - 1]) start = i
    return branch === 0 ? i : shared + i - start
  })
}

/** Attention without a cache; grouped queries meet their key as one matrix, so no key is repeated. */
export function sequenceAttention(c: DecoderConfig, tables: SequenceTables): Attend {
  const { kvHeads, headDim: d } = c
  const group = c.heads / kvHeads
  return (g, qkv) => {
    const [batch, tokens] = qkv.shape
    if (batch === undefined || tokens === undefined) throw new RangeError('qkv must be [batch, tokens, width]')
    const grouped = transpose(g, reshape(g, qkv, [batch, tokens, kvHeads, group + 2, d]), [0, 2, 3, 1, 4])
    const [q, k, v] = split(g, grouped, 2, [group, 1, 1]) as [Tensor, Tensor, Tensor]
    const turned = (x: Tensor, heads: number) =>
      rotary(g, reshape(g, x, [batch, heads, tokens, d]), tables.positions, tables.cos, tables.sin)
    const count = tables.masks.length
    const queries = cut(g, turned(q, c.heads), 2, count)
    const keys = cut(g, turned(k, kvHeads), 2, count)
    const values = cut(g, reshape(g, v, [batch, kvHeads, tokens, d]), 2, count)
    const blocks = tables.masks.map((mask, i) => {
      const [query, key, value] = [queries[i] as Tensor, join(g, keys.slice(0, i + 1), 2), join(g, values.slice(0, i + 1), 2)]
      const [own, seen] = [query.shape[2] as Dim, key.shape[2] as Dim]
      const grouped = reshape(g, query, [batch, kvHeads, product(group, own), d])
      const scores = matmul(g, grouped, key, { transB: true, alpha: 1 / Math.sqrt(d) })
      const weights = softmax(g, add(g, reshape(g, scores, [batch, c.heads, own, seen]), mask))
      const mixed = matmul(g, reshape(g, weights, scores.shape), value)
      return reshape(g, mixed, [batch, c.heads, own, d])
    })
    const heads = join(g, blocks, 2)
    return reshape(g, transpose(g, heads, [0, 2, 1, 3]), [batch, tokens, c.heads * d])
  }
}

/** What the weights of attention over a KV cache depend on besides queries. */
export interface CachedKeys {
  /** [batch, kvHeads, capacity, D], rotated, those of the queries' own positions included. */
  readonly key: Tensor
  /** [positions, D/2]. */
  readonly cos: Tensor
  readonly sin: Tensor
  /** i64 [1]: the position of the first query. */
  readonly position: Tensor
  /** [tokens, capacity]: 0 where a query may look, else a large negative number. */
  readonly visible: Tensor
}

/**
 * The softmax weights that the fused attention over a cache uses and does not give out, for a look at them: qkv [batch, tokens,
 * (heads + 2 kvHeads) d] packed as queries | keys | values -> [batch, heads, tokens, capacity], each row with the sum 1.
 */
export function attentionWeights(g: Graph, c: DecoderConfig, qkv: Tensor, a: CachedKeys): Tensor {
  const { heads, kvHeads, headDim: d } = c
  const wide = cacheWidth(d)
  const [batch, tokens, capacity] = [qkv.shape[0] as Dim, qkv.shape[1] as Dim, a.key.shape[2] as Dim]
  const [queries] = split(g, qkv, 2, [heads * d, 2 * kvHeads * d]) as [Tensor, Tensor]
  const q = transpose(g, reshape(g, resizeHeads(g, queries, d, wide), [batch, tokens, heads, wide]), [0, 2, 1, 3])
  const turned = rotary(g, q, a.position, a.cos, a.sin)
  const grouped = reshape(g, turned, [batch, kvHeads, product(heads / kvHeads, tokens), wide])
  const scores = matmul(g, grouped, a.key, { transB: true, alpha: 1 / Math.sqrt(d) })
  return softmax(g, add(g, reshape(g, scores, [batch, heads, tokens, capacity]), a.visible))
}

/** The same attention as the fused kernel expects it: rows of a grouped wqkv reordered as queries | keys | values. */
export function packedRowOrder(c: DecoderConfig): Int32Array {
  const { kvHeads, headDim: d } = c
  const group = c.heads / kvHeads
  const rows: number[] = []
  const take = (kv: number, slot: number) => {
    for (let i = 0; i < d; i++) rows.push((kv * (group + 2) + slot) * d + i)
  }
  for (let kv = 0; kv < kvHeads; kv++) for (let j = 0; j < group; j++) take(kv, j)
  for (let kv = 0; kv < kvHeads; kv++) take(kv, group)
  for (let kv = 0; kv < kvHeads; kv++) take(kv, group + 1)
  return Int32Array.from(rows)
}

/** Rows of equal width in another order. */
export function reorderRows<T extends Uint8Array | Float32Array>(data: T, order: Int32Array): T {
  const width = data.length / order.length
  const out = (data instanceof Float32Array ? allocate('f32', data.length) : allocate('u8', data.length)) as T
  order.forEach((from, to) => {
    out.set(data.subarray(from * width, (from + 1) * width), to * width)
  })
  return out
}
