/** Matrix products: a linear layer with its weight as [out, in], and batched products for attention. */
import { type Dim, product, sameShape } from '../graph/dims.js'
import { ShapeError } from '../graph/errors.js'
import { type Graph, staticDim } from '../graph/graph.js'
import { defineOperation, type Tensor } from '../graph/operation.js'
import { sumTo } from './arithmetic.js'
import { reshape, transpose } from './shape.js'

const linearOp = defineOperation<[Tensor, Tensor], [Tensor], null>('linear', {
  infer([x, w]) {
    const [xs, ws] = [x.shape, w.shape]
    if (ws.length !== 2 || xs.at(-1) !== ws[1]) {
      throw new ShapeError('linear', [xs, ws], `a weight of [out, ${xs.at(-1)}]`, `[${ws.join(', ')}]`)
    }
    return [{ shape: [...xs.slice(0, -1), ws[0] as Dim], dtype: 'f32' }]
  },
  emit(g, [x, w], [y]) {
    g.nodeInto('FusedMatMul', [x, w], [y], { transB: 1 }, 'com.microsoft')
  },
  gradient(g, { inputs: [x, w], grads: [dy], wanted }) {
    const [xt, wt, dt] = [x, w, dy]
    const rows = product(...xt.shape.slice(0, -1))
    const dx = wanted[0] ? { left: dt, right: wt } : undefined
    if (!wanted[1]) return [dx]
    const flatX = reshape(g, xt, [rows, xt.shape.at(-1) as Dim])
    const out = dt.shape.at(-1) as Dim
    if (dt.shape.length === 3) {
      // A product reads a transposed first factor in strips: moving one axis to the front beforehand is faster.
      const turned = transpose(g, dt, [2, 0, 1])
      return [dx, g.float('MatMul', [reshape(g, turned, [out, rows]), flatX], wt.shape)]
    }
    return [dx, g.float('FusedMatMul', [reshape(g, dt, [rows, out]), flatX], wt.shape, { transA: 1 }, 'com.microsoft')]
  },
})

/** y = x W^T, W [out, in] as checkpoints store it; x [..., in] -> [..., out]. */
export function linear(g: Graph, x: Tensor, w: Tensor): Tensor {
  return g.apply(linearOp, [x, w], null)[0]
}

interface Factors {
  readonly transA: boolean
  readonly transB: boolean
  readonly alpha: number
}

const sides = (t: Tensor, transposed: boolean): [Dim, Dim] => {
  const [r, c] = [t.shape.at(-2) as Dim, t.shape.at(-1) as Dim]
  return transposed ? [c, r] : [r, c]
}

/** Whether rows of `a` have a fixed size and those of `b` one for each token: what is transposed in a product should be narrow. */
const isNarrower = (a: Tensor, b: Tensor): boolean => typeof a.shape.at(-1) === 'number' && typeof b.shape.at(-1) === 'string'

const lastTwoSwapped = (rank: number): number[] => [...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1, rank - 2]

const matmulOp = defineOperation<[Tensor, Tensor], [Tensor], Factors>('matmul', {
  infer([a, b], { transA, transB }) {
    const [at, bt] = [a, b]
    const [rows, inner] = sides(at, transA)
    const [innerB, columns] = sides(bt, transB)
    const batch = at.shape.slice(0, -2)
    if (at.shape.length < 3 || !sameShape(batch, bt.shape.slice(0, -2)) || inner !== innerB) {
      throw new ShapeError('matmul', [at.shape, bt.shape], `equal batches and inner size ${inner}`, `${innerB}`)
    }
    return [{ shape: [...batch, rows, columns], dtype: 'f32' }]
  },
  emit(g, [a, b], [y], p) {
    const attributes = { transA: Number(p.transA), transB: Number(p.transB), alpha: { float: p.alpha } }
    g.nodeInto('FusedMatMul', [a, b], [y], attributes, 'com.microsoft')
  },
  gradient(g, { inputs: [a, b], grads: [dy], wanted, attributes: { transA, transB, alpha } }) {
    const [at, bt, d] = [a, b, dy]
    const times = (x: Tensor, tx: boolean, y: Tensor, ty: boolean) =>
      tx && !ty && isNarrower(y, x)
        ? transpose(g, matmul(g, y, x, { transA: true, alpha }), lastTwoSwapped(x.shape.length))
        : matmul(g, x, y, { transA: tx, transB: ty, alpha })
    return [
      wanted[0] ? (transA ? times(bt, transB, d, true) : times(d, false, bt, !transB)) : undefined,
      wanted[1] ? (transB ? times(d, true, at, transA) : times(at, !transA, d, false)) : undefined,
    ]
  },
})

/** Batched product alpha * A B over equal leading dimensions, either side transposed in place. */
export function matmul(g: Graph, a: Tensor, b: Tensor, p: Partial<Factors> = {}): Tensor {
  const { transA = false, transB = false, alpha = 1 } = p
  return g.apply(matmulOp, [a, b], { transA, transB, alpha })[0]
}

const softmaxOp = defineOperation<[Tensor], [Tensor], null>('softmax', {
  infer: ([x]) => [{ shape: x.shape, dtype: 'f32' }],
  emit(g, [x], [y]) {
    g.nodeInto('Softmax', [x], [y], { axis: -1 })
  },
  gradient(g, { outputs: [y], grads: [dy] }) {
    const [p, d] = [y, dy]
    const weighted = g.float('Mul', [p, d], p.shape)
    const sums = g.float('ReduceSum', [weighted, g.constant('i64', [1], [-1])], [...p.shape.slice(0, -1), 1], { keepdims: 1 })
    return [g.float('Sub', [weighted, g.float('Mul', [p, sums], p.shape)], p.shape)]
  },
})

/** Softmax over the last axis. */
export function softmax(g: Graph, x: Tensor): Tensor {
  return g.apply(softmaxOp, [x], null)[0]
}

// The norms' gradients share d * x: sums over its rows and columns are matrix-vector products, which read it once, and
// what else they need has one number per row.

/** x . w of each row: x [..., width], w [width] -> [..., 1]. */
function rowDot(g: Graph, x: Tensor, w: Tensor): Tensor {
  return g.float('MatMul', [x, reshape(g, w, [w.shape[0] as Dim, 1])], [...x.shape.slice(0, -1), 1])
}

/** Sum of the rows, each times its factor: x [..., width], factors [..., 1] -> [width]. */
function rowSum(g: Graph, x: Tensor, factors: Tensor): Tensor {
  const rows = product(...x.shape.slice(0, -1))
  const width = x.shape.at(-1) as Dim
  return reshape(g, g.float('MatMul', [reshape(g, factors, [1, rows]), reshape(g, x, [rows, width])], [1, width]), [width])
}

function cube(g: Graph, x: Tensor): Tensor {
  return g.float('Mul', [g.float('Mul', [x, x], x.shape), x], x.shape)
}

function perWidth(g: Graph, w: Tensor): Tensor {
  return g.scalar(1 / staticDim('norm', w.shape, 0))
}

const rmsNormOp = defineOperation<[Tensor, Tensor], [Tensor, Tensor], { epsilon: number }>('rmsNorm', {
  infer([x, w]) {
    const shape = x.shape
    if (w.shape.length !== 1 || w.shape[0] !== shape.at(-1)) {
      throw new ShapeError('rmsNorm', [shape, w.shape], `a weight of [${shape.at(-1)}]`, 'another')
    }
    return [
      { shape, dtype: 'f32' },
      { shape: [...shape.slice(0, -1), 1], dtype: 'f32' },
    ]
  },
  emit(g, inputs, outputs, { epsilon }) {
    g.nodeInto('SimplifiedLayerNormalization', inputs, outputs, { axis: -1, epsilon: { float: epsilon }, stash_type: 1 })
  },
  gradient(g, { inputs: [x, w], outputs: [, inverse], grads: [dy], wanted }) {
    const [xt, wt, inv, d] = [x, w, inverse, dy]
    const dx = g.float('Mul', [d, xt], xt.shape)
    let towards: Tensor | undefined
    if (wanted[0]) {
      // dx = d w inv - x c, c = inv^3 (d x . w) / width
      const c = g.float('Mul', [rowDot(g, dx, wt), g.float('Mul', [cube(g, inv), perWidth(g, wt)], inv.shape)], inv.shape)
      const direct = g.float('Mul', [g.float('Mul', [d, wt], xt.shape), inv], xt.shape)
      towards = g.float('Sub', [direct, g.float('Mul', [xt, c], xt.shape)], xt.shape)
    }
    return [towards, wanted[1] ? rowSum(g, dx, inv) : undefined]
  },
})

/** w * x / sqrt(mean(x^2) + epsilon) over the last axis. */
export function rmsNorm(g: Graph, x: Tensor, w: Tensor, epsilon: number): Tensor {
  return g.apply(rmsNormOp, [x, w], { epsilon })[0]
}

const layerNormOp = defineOperation<[Tensor, Tensor, Tensor], [Tensor, Tensor, Tensor], { epsilon: number }>('layerNorm', {
  infer([x, w, b]) {
    const shape = x.shape
    const size = [staticDim('layerNorm', shape, -1)]
    if (!sameShape(w.shape, size) || !sameShape(b.shape, size)) {
      throw new ShapeError('layerNorm', [shape, w.shape, b.shape], `weight and bias of [${size}]`, 'others')
    }
    const statistics = { shape: [...shape.slice(0, -1), 1], dtype: 'f32' } as const
    return [{ shape, dtype: 'f32' }, statistics, statistics]
  },
  emit(g, inputs, outputs, { epsilon }) {
    g.nodeInto('LayerNormalization', inputs, outputs, { axis: -1, epsilon: { float: epsilon } })
  },
  gradient(g, { inputs: [x, w, b], outputs: [, average, inverse], grads: [dy], wanted }) {
    const [xt, wt, bt, mean, inv, d] = [x, w, b, average, inverse, dy] as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
    const dx = g.float('Mul', [d, xt], xt.shape)
    const small = (type: string, a: Tensor, b: Tensor) => g.float(type, [a, b], inv.shape)
    let towards: Tensor | undefined
    if (wanted[0]) {
      // dx = d w inv - (x c + k), c = inv^3 (d x . w - mean (d . w)) / width, k = inv (d . w) / width - mean c
      const dot = rowDot(g, d, wt)
      const spread = small('Sub', rowDot(g, dx, wt), small('Mul', mean, dot))
      const c = small('Mul', spread, small('Mul', cube(g, inv), perWidth(g, wt)))
      const k = small('Sub', small('Mul', small('Mul', inv, dot), perWidth(g, wt)), small('Mul', mean, c))
      const direct = g.float('Mul', [g.float('Mul', [d, wt], xt.shape), inv], xt.shape)
      const shift = g.float('Add', [g.float('Mul', [xt, c], xt.shape), k], xt.shape)
      towards = g.float('Sub', [direct, shift], xt.shape)
    }
    const dw = () => g.float('Sub', [rowSum(g, dx, inv), rowSum(g, d, small('Mul', mean, inv))], wt.shape)
    return [towards, wanted[1] ? dw() : undefined, wanted[2] ? sumTo(g, d, bt.shape) : undefined]
  },
})

/** Layer normalisation over the last axis with weight and bias. */
export function layerNorm(g: Graph, x: Tensor, w: Tensor, b: Tensor, epsilon: number): Tensor {
  return g.apply(layerNormOp, [x, w, b], { epsilon })[0]
}
