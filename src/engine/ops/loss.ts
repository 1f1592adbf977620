/** Output head and cross entropy as one operation, so that the gradient of the logits never meets a one-hot matrix. */
import type { Dim } from '../graph/dims.js'
import { GradientError, ShapeError } from '../graph/errors.js'
import { expectRank, type Graph } from '../graph/graph.js'
import { defineOperation, type Tensor } from '../graph/operation.js'

const f32 = (shape: readonly Dim[]) => ({ shape, dtype: 'f32' }) as const

const linearCrossEntropyOp = defineOperation<[Tensor, Tensor, Tensor, Tensor], [Tensor, Tensor], null>('linearCrossEntropy', {
  infer([x, w, labels, weights]) {
    const [rows, inner] = expectRank('linearCrossEntropy', x, 'f32', 2)
    const [vocabulary, width] = expectRank('linearCrossEntropy', w, 'f32', 2)
    if (inner !== width || labels.dtype !== 'i64' || labels.shape[0] !== rows) {
      throw new ShapeError('linearCrossEntropy', [x.shape, w.shape, labels.shape], 'rows, head and labels that match', 'these')
    }
    if (expectRank('linearCrossEntropy', weights, 'f32', 1)[0] !== rows) {
      throw new ShapeError('linearCrossEntropy', [x.shape, weights.shape], 'one weight for each row', 'these')
    }
    if (weights.requiresGrad) throw new GradientError('linearCrossEntropy', weights)
    return [f32([]), f32([rows as Dim, vocabulary as Dim])]
  },
  emit(g, [x, w, labels, weights], [loss, logProbabilities]) {
    const lp = logProbabilities
    const logits = g.node('FusedMatMul', [x, w], [f32(lp.shape)], { transB: 1 }, 'com.microsoft')[0]
    g.nodeInto('LogSoftmax', [logits], [lp], { axis: -1 })
    const column = asColumn(g, labels)
    const picked = g.node('GatherElements', [lp, column], [f32([lp.shape[0] as Dim, 1])], { axis: 1 })[0]
    const weighted = g.node('Mul', [picked, asColumn(g, weights)], [f32([lp.shape[0] as Dim, 1])])[0]
    g.nodeInto('Neg', [g.node('ReduceSum', [weighted], [f32([])], { keepdims: 0 })[0]], [loss])
  },
  gradient(g, { inputs: [x, w, labels, weights], outputs: [, logProbabilities], grads: [dy], wanted }) {
    const [xt, wt, lp] = [x, w, logProbabilities]
    const factor = g.node('Mul', [asColumn(g, weights), dy], [f32([lp.shape[0] as Dim, 1])])[0]
    const p = g.node('Exp', [lp], [f32(lp.shape)])[0]
    const scaled = (t: Tensor | undefined, shape: readonly Dim[]) => g.node('Mul', [t, factor], [f32(shape)])[0]
    let dx: Tensor | undefined
    if (wanted[0]) {
      const expected = g.node('MatMul', [p, wt], [f32(xt.shape)])[0]
      const actual = g.node('Gather', [wt, labels], [f32(xt.shape)], { axis: 0 })[0]
      dx = scaled(g.node('Sub', [expected, actual], [f32(xt.shape)])[0], xt.shape)
    }
    if (!wanted[1]) return [dx, undefined]
    const xs = scaled(xt, xt.shape)
    const dense = g.node('FusedMatMul', [p, xs], [f32(wt.shape)], { transA: 1 }, 'com.microsoft')[0]
    const minus = g.node('Neg', [xs], [f32(xt.shape)])[0]
    return [dx, g.node('ScatterND', [dense, asColumn(g, labels), minus], [f32(wt.shape)], { reduction: 'add' })[0], undefined]
  },
})

/** [rows] -> [rows, 1] */
function asColumn(g: Graph, t: Tensor): Tensor {
  const signature = { shape: [t.shape[0] as Dim, 1], dtype: t.dtype }
  return g.node('Unsqueeze', [t, g.constant('i64', [1], [1])], [signature])[0] as Tensor
}

/**
 * Weighted sum of the cross entropies of the head's logits: x [rows, width], head [vocabulary, width], labels i64 [rows], weights f32
 * [rows] -> scalar. A sum, so that parts of a batch add up; whoever knows all parts divides. Only labelled rows should be passed:
 * the head is the most expensive layer of a small model.
 * @throws GradientError when the weights require a gradient: there is none for them
 */
export function linearCrossEntropy(g: Graph, x: Tensor, head: Tensor, labels: Tensor, weights: Tensor): Tensor {
  return g.apply(linearCrossEntropyOp, [x, head, labels, weights], null)[0]
}
