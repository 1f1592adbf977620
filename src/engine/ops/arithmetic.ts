/** Element by element: addition and multiplication with broadcasting, scaling, activations; and mean over an axis. */
import { broadcast, type Dim, type Shape, sameShape } from '../graph/dims.js'
import { ShapeError } from '../graph/errors.js'
import { type Graph, staticDim } from '../graph/graph.js'
import { defineOperation, type Operation, type Tensor } from '../graph/operation.js'
import { reshape } from './shape.js'

const f32 = (shape: Shape) => ({ shape, dtype: 'f32' }) as const

/** Sums a gradient over the dimensions along which an input of `shape` was broadcast. */
export function sumTo(g: Graph, d: Tensor, shape: Shape): Tensor {
  if (sameShape(d.shape, shape)) return d
  const extra = d.shape.length - shape.length
  const axes = d.shape.map((_, i) => i).filter((i) => i < extra || (shape[i - extra] === 1 && d.shape[i] !== 1))
  const kept = d.shape.map((dim, i) => (axes.includes(i) ? 1 : dim))
  const summed = g.float('ReduceSum', [d, g.constant('i64', [axes.length], axes)], kept, { keepdims: 1 })
  return reshape(g, summed, shape)
}

type Binary = Operation<[Tensor, Tensor], [Tensor], null>
type Unary = Operation<[Tensor], [Tensor], null>

function binary(name: string, type: string, gradient: NonNullable<Binary['gradient']>): Binary {
  return defineOperation(name, {
    infer([a, b]) {
      const shape = broadcast(a.shape, b.shape)
      if (!shape) throw new ShapeError(name, [a.shape, b.shape], 'shapes that broadcast', 'these')
      return [f32(shape)]
    },
    emit(g, inputs, outputs) {
      g.nodeInto(type, inputs, outputs)
    },
    gradient,
  })
}

const addOp = binary('add', 'Add', (g, { inputs: [a, b], grads: [dy], wanted }) => [
  wanted[0] ? sumTo(g, dy, a.shape) : undefined,
  wanted[1] ? sumTo(g, dy, b.shape) : undefined,
])

const mulOp = binary('mul', 'Mul', (g, { inputs: [a, b], grads: [dy], wanted }) => {
  const times = (other: Tensor) => g.float('Mul', [dy, other], dy.shape)
  return [wanted[0] ? sumTo(g, times(b), a.shape) : undefined, wanted[1] ? sumTo(g, times(a), b.shape) : undefined]
})

/** a + b, broadcasting. */
export function add(g: Graph, a: Tensor, b: Tensor): Tensor {
  return g.apply(addOp, [a, b], null)[0]
}

/** a * b element by element, broadcasting. */
export function mul(g: Graph, a: Tensor, b: Tensor): Tensor {
  return g.apply(mulOp, [a, b], null)[0]
}

/** x times a constant; no node when the constant is 1. */
export function scale(g: Graph, x: Tensor, factor: number): Tensor {
  return factor === 1 ? x : mul(g, x, g.scalar(factor))
}

/** @param slope dy/dx from the input and the forward output */
function unary(name: string, emit: Unary['emit'], slope: (g: Graph, x: Tensor, y: Tensor) => Tensor): Unary {
  return defineOperation(name, {
    infer: ([x]) => [f32(x.shape)],
    emit,
    gradient: (g, { inputs: [x], outputs: [y], grads: [dy] }) => [g.float('Mul', [dy, slope(g, x, y)], x.shape)],
  })
}

/** x * sigmoid(alpha x): SiLU at alpha 1, CLIP's quick_gelu at 1.702. Slope: s + alpha y (1 - s), y the output. */
function sigmoidGate(name: string, alpha: number): Unary {
  const times = (g: Graph, x: Tensor) => (alpha === 1 ? x : g.float('Mul', [x, g.scalar(alpha)], x.shape))
  return unary(
    name,
    (g, [x], [y]) => g.nodeInto('QuickGelu', [x], [y], { alpha: { float: alpha } }, 'com.microsoft'),
    (g, x, y) => {
      const s = g.float('Sigmoid', [times(g, x)], x.shape)
      const rest = g.float('Sub', [g.scalar(1), s], x.shape)
      return g.float('Add', [s, g.float('Mul', [times(g, y), rest], x.shape)], x.shape)
    },
  )
}
const siluOp = sigmoidGate('silu', 1)
const quickGeluOp = sigmoidGate('quickGelu', 1.702)

/** Exact (erf) GELU. Slope: cdf(x) + x pdf(x). */
const geluOp = unary(
  'gelu',
  (g, [x], [y]) => g.nodeInto('Gelu', [x], [y], {}, 'com.microsoft'),
  (g, x) => {
    const e = g.float('Erf', [g.float('Mul', [x, g.scalar(Math.SQRT1_2)], x.shape)], x.shape)
    const cdf = g.float('Mul', [g.float('Add', [e, g.scalar(1)], x.shape), g.scalar(0.5)], x.shape)
    const square = g.float('Mul', [g.float('Mul', [x, x], x.shape), g.scalar(-0.5)], x.shape)
    const pdf = g.float('Mul', [g.float('Exp', [square], x.shape), g.scalar(1 / Math.sqrt(2 * Math.PI))], x.shape)
    return g.float('Add', [cdf, g.float('Mul', [x, pdf], x.shape)], x.shape)
  },
)

/** x * sigmoid(x). */
export function silu(g: Graph, x: Tensor): Tensor {
  return g.apply(siluOp, [x], null)[0]
}

/** x * sigmoid(1.702 x), the activation of OpenAI's CLIP. */
export function quickGelu(g: Graph, x: Tensor): Tensor {
  return g.apply(quickGeluOp, [x], null)[0]
}

/** GELU with the error function. */
export function gelu(g: Graph, x: Tensor): Tensor {
  return g.apply(geluOp, [x], null)[0]
}

const meanOp = defineOperation<[Tensor], [Tensor], { axis: number }>('mean', {
  infer([x], { axis }) {
    staticDim('mean', x.shape, axis)
    return [f32(x.shape.filter((_, i) => i !== axis))]
  },
  emit(g, [x], [y], { axis }) {
    g.nodeInto('ReduceMean', [x, g.constant('i64', [1], [axis])], [y], { keepdims: 0 })
  },
  gradient(g, { inputs: [x], grads: [dy], attributes: { axis } }) {
    const shape = x.shape
    const kept = reshape(
      g,
      dy,
      shape.map((d, i) => (i === axis ? 1 : d)),
    )
    const ones = g.constant(
      'f32',
      shape.map((_, i) => (i === axis ? (shape[axis] as number) : 1)),
      new Float32Array(shape[axis] as number).fill(1 / (shape[axis] as number)),
    )
    return [g.float('Mul', [kept, ones], shape)]
  },
})

/** Mean over one axis of static size, which disappears. */
export function mean(g: Graph, x: Tensor, axis: number): Tensor {
  return g.apply(meanOp, [x], { axis })[0]
}

/** The last dimension of a tensor, for callers that need it as a number. */
export function width(x: Tensor): number {
  return staticDim('width', x.shape, -1)
}

export type { Dim }
