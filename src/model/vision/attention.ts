/** Attention of every query to every key, for vision tower and projectors. */
import { type Dim, type Graph, matmul, reshape, softmax, type Tensor, transpose } from '../../engine/index.js'

/** queries [images, tokens, width], keys and values [images, others, width] -> [images, tokens, width]. */
export type Attention = (g: Graph, q: Tensor, k: Tensor, v: Tensor, heads: number) => Tensor

/** The differentiable form, for training. */
export const plainAttention: Attention = (g, q, k, v, heads) => {
  const [images, tokens, width] = q.shape as [Dim, Dim, number]
  const d = width / heads
  const byHead = (x: Tensor) => transpose(g, reshape(g, x, [images, x.shape[1] as Dim, heads, d]), [0, 2, 1, 3])
  const scores = matmul(g, byHead(q), byHead(k), { transB: true, alpha: 1 / Math.sqrt(d) })
  return reshape(g, transpose(g, matmul(g, softmax(g, scores), byHead(v)), [0, 2, 1, 3]), [images, tokens, width])
}
