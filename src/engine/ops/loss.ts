/** Head and cross entropy as one operation, so that the gradient of the logits never meets a one-hot matrix. */
import type { Dim } from '../graph/dims.js'
import { ShapeError } from '../graph/errors.js'
import { expectRank, type Graph } from '../graph/graph.js'
import { defineOperation, type Tensor } from '../graph/operation.js'

const f32 = (shape: readonly Dim[]) => ({ shape, dtype: 'f32' }) as const

const linearCrossEntropyOp = defineOperation<[Tensor, Tensor, Tensor], [Tensor, Tensor], null>('linearCrossEntropy', {
  infer([x, w, labels]) {
    const [rows, inner] = expectRank('linearCrossEntropy', x, 'f32', 2)
    const [vocabulary, width] = expectRank('linearCrossEntropy', w, 'f32', 2)
    if (inner !== width || labels.dtype !== 'i64' || labels.shape[0] !== rows) {
      throw new ShapeError('linearCrossEntropy', [x.shape, w.shape, labels.shape], 'rows, head and labels that match', 'these')
    }
    return [f32([]), f32([rows as Dim, vocabulary as Dim])]
  },
  emit(g, [x, w, labels], [loss, logProbabilities]) {
    const lp = logProbabilities
    const logits = g.node('FusedMatMul', [x, w], [f32(lp.shape)], { transB: 1 }, 'com.microsoft')[0]
    g.nodeInto('LogSoftmax', [logits], [lp], { axis: -1 })
    const column = g.node(
      'Unsqueeze',
      [labels, g.constant('i64', [1], [1])],
      [{ shape: [lp.shape[0] as Dim, 1], dtype: 'i64' }],
    )[0]
    const picked = g.node('GatherElements', [lp, column], [f32([lp.shape[0] as Dim, 1])], { axis: 1 })[0]
    const average = g.node('ReduceMean', [picked], [f32([])], { keepdims: 0 })[0]
    g.nodeInto('Neg', [average], [loss])
  },
  gradient(g, { inputs: [x, w, labels], outputs: [, logProbabilities], grads: [dy], wanted }) {
    const [xt, wt, lp] = [x, w, logProbabilities]
    const rows = lp.shape[0] as Dim
    const count = g.node('Cast', [g.node('Size', [labels], [{ shape: [], dtype: 'i64' }])[0]], [f32([])], { to: 1 })[0]
    const factor = g.node('Div', [dy, count], [f32([])])[0]
    const p = g.node('Exp', [lp], [f32(lp.shape)])[0]
    const scaled = (t: Tensor | undefined, shape: readonly Dim[]) => g.node('Mul', [t, factor], [f32(shape)])[0]
    let dx: Tensor | undefined
    if (wanted[0]) {
      const expected = g.node('MatMul', [p, wt], [f32(xt.shape)])[0]
      const actual = g.node('Gather', [wt, labels], [f32(xt.shape)], { axis: 0 })[0]
      dx = scaled(g.node('Sub', [expected, actual], [f32(xt.shape)])[0], xt.shape)
    }
    if (!wanted[1]) return [dx]
    const xs = scaled(xt, xt.shape)
    const dense = g.node('FusedMatMul', [p, xs], [f32(wt.shape)], { transA: 1 }, 'com.microsoft')[0]
    const column = g.node('Unsqueeze', [labels, g.constant('i64', [1], [1])], [{ shape: [rows, 1], dtype: 'i64' }])[0]
    const minus = g.node('Neg', [xs], [f32(xt.shape)])[0]
    return [dx, g.node('ScatterND', [dense, column, minus], [f32(wt.shape)], { reduction: 'add' })[0], undefined]
  },
})

/**
 * Mean cross entropy of the head's logits: x [rows, width], head [vocabulary, width], labels i64 [rows] -> scalar.
 * Only labelled rows should be passed: the head is the most expensive layer of a small model.
 */
export function linearCrossEntropy(g: Graph, x: Tensor, head: Tensor, labels: Tensor): Tensor {
  return g.apply(linearCrossEntropyOp, [x, head, labels], null)[0]
}
