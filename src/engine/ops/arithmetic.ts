/** Element by element: addition and multiplication with broadcasting, scaling, activations; and mean over an axis. */
import { broadcast, type Dim, type Shape, sameShape } from '../graph/dims.js'
import { ShapeError } from '../graph/errors.js'
import { type Graph, type Operation, staticDim, type Tensor } from '../graph/graph.js'
import { reshape } from './shape.js'

const f32 = (shape: Shape) => ({ shape, dtype: 'f32' }) as const

/** Emits a node with one float output of the given shape. */
function emit1(
  g: Graph,
  type: string,
  inputs: Tensor[],
  shape: Shape,
  attributes = {},
  domain: '' | 'com.microsoft' = '',
): Tensor {
  return g.node(type, inputs, [f32(shape)], attributes, domain)[0] as Tensor
}

/** Sums a gradient over the dimensions along which an input of `shape` was broadcast. */
export function sumTo(g: Graph, d: Tensor, shape: Shape): Tensor {
  if (sameShape(d.shape, shape)) return d
  const extra = d.shape.length - shape.length
  const axes = d.shape.map((_, i) => i).filter((i) => i < extra || (shape[i - extra] === 1 && d.shape[i] !== 1))
  const kept = d.shape.map((dim, i) => (axes.includes(i) ? 1 : dim))
  const summed = emit1(g, 'ReduceSum', [d, g.constant('i64', [axes.length], axes)], kept, { keepdims: 1 })
  return reshape(g, summed, shape)
}

function binary(name: string, type: string, gradient: Operation<null>['gradient']): Operation<null> {
  return {
    name,
    infer([a, b]) {
      const shape = broadcast((a as Tensor).shape, (b as Tensor).shape)
      if (!shape) throw new ShapeError(name, [(a as Tensor).shape, (b as Tensor).shape], 'shapes that broadcast', 'these')
      return [f32(shape)]
    },
    emit(g, inputs, outputs) {
      g.nodeInto(type, inputs, outputs)
    },
    ...(gradient ? { gradient } : {}),
  }
}

const addOp = binary('add', 'Add', (g, { inputs: [a, b], grads: [dy], wanted }) => [
  wanted[0] ? sumTo(g, dy as Tensor, (a as Tensor).shape) : undefined,
  wanted[1] ? sumTo(g, dy as Tensor, (b as Tensor).shape) : undefined,
])

const mulOp = binary('mul', 'Mul', (g, { inputs: [a, b], grads: [dy], wanted }) => {
  const times = (other: Tensor) => emit1(g, 'Mul', [dy as Tensor, other], (dy as Tensor).shape)
  return [
    wanted[0] ? sumTo(g, times(b as Tensor), (a as Tensor).shape) : undefined,
    wanted[1] ? sumTo(g, times(a as Tensor), (b as Tensor).shape) : undefined,
  ]
})

/** a + b, broadcasting. */
export function add(g: Graph, a: Tensor, b: Tensor): Tensor {
  return g.apply(addOp, [a, b], null)[0] as Tensor
}

/** a * b element by element, broadcasting. */
export function mul(g: Graph, a: Tensor, b: Tensor): Tensor {
  return g.apply(mulOp, [a, b], null)[0] as Tensor
}

/** x times a constant; no node when the constant is 1. */
export function scale(g: Graph, x: Tensor, factor: number): Tensor {
  return factor === 1 ? x : mul(g, x, g.scalar(factor))
}

/** @param slope dy/dx from the input and the forward output */
function unary(name: string, emit: Operation<null>['emit'], slope: (g: Graph, x: Tensor, y: Tensor) => Tensor): Operation<null> {
  return {
    name,
    infer: ([x]) => [f32((x as Tensor).shape)],
    emit,
    gradient: (g, { inputs: [x], outputs: [y], grads: [dy] }) => [
      emit1(g, 'Mul', [dy as Tensor, slope(g, x as Tensor, y as Tensor)], (x as Tensor).shape),
    ],
  }
}

/** x * sigmoid(alpha x): SiLU at alpha 1, CLIP's quick_gelu at 1.702. Slope: s + alpha y (1 - s), y the output. */
function sigmoidGate(name: string, alpha: number): Operation<null> {
  const times = (g: Graph, x: Tensor) => (alpha === 1 ? x : emit1(g, 'Mul', [x, g.scalar(alpha)], x.shape))
  return unary(
    name,
    (g, [x], [y]) => g.nodeInto('QuickGelu', [x], [y], { alpha: { float: alpha } }, 'com.microsoft'),
    (g, x, y) => {
      const s = emit1(g, 'Sigmoid', [times(g, x)], x.shape)
      const rest = emit1(g, 'Sub', [g.scalar(1), s], x.shape)
      return emit1(g, 'Add', [s, emit1(g, 'Mul', [times(g, y), rest], x.shape)], x.shape)
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
    const e = emit1(g, 'Erf', [emit1(g, 'Mul', [x, g.scalar(Math.SQRT1_2)], x.shape)], x.shape)
    const cdf = emit1(g, 'Mul', [emit1(g, 'Add', [e, g.scalar(1)], x.shape), g.scalar(0.5)], x.shape)
    const square = emit1(g, 'Mul', [emit1(g, 'Mul', [x, x], x.shape), g.scalar(-0.5)], x.shape)
    const pdf = emit1(g, 'Mul', [emit1(g, 'Exp', [square], x.shape), g.scalar(1 / Math.sqrt(2 * Math.PI))], x.shape)
    return emit1(g, 'Add', [cdf, emit1(g, 'Mul', [x, pdf], x.shape)], x.shape)
  },
)

/** x * sigmoid(x). */
export function silu(g: Graph, x: Tensor): Tensor {
  return g.apply(siluOp, [x], null)[0] as Tensor
}

/** x * sigmoid(1.702 x), the activation of OpenAI's CLIP. */
export function quickGelu(g: Graph, x: Tensor): Tensor {
  return g.apply(quickGeluOp, [x], null)[0] as Tensor
}

/** GELU with the error function. */
export function gelu(g: Graph, x: Tensor): Tensor {
  return g.apply(geluOp, [x], null)[0] as Tensor
}

const meanOp: Operation<{ axis: number }> = {
  name: 'mean',
  infer([x], { axis }) {
    staticDim('mean', (x as Tensor).shape, axis)
    return [f32((x as Tensor).shape.filter((_, i) => i !== axis))]
  },
  emit(g, [x], [y], { axis }) {
    g.nodeInto('ReduceMean', [x, g.constant('i64', [1], [axis])], [y], { keepdims: 0 })
  },
  gradient(g, { inputs: [x], grads: [dy], attributes: { axis } }) {
    const shape = (x as Tensor).shape
    const kept = reshape(
      g,
      dy as Tensor,
      shape.map((d, i) => (i === axis ? 1 : d)),
    )
    const ones = g.constant(
      'f32',
      shape.map((_, i) => (i === axis ? (shape[axis] as number) : 1)),
      new Float32Array(shape[axis] as number).fill(1 / (shape[axis] as number)),
    )
    return [emit1(g, 'Mul', [kept, ones], shape)]
  },
}

/** Mean over one axis of static size, which disappears. */
export function mean(g: Graph, x: Tensor, axis: number): Tensor {
  return g.apply(meanOp, [x], { axis })[0] as Tensor
}

/** The last dimension of a tensor, for callers that need it as a number. */
export function width(x: Tensor): number {
  return staticDim('width', x.shape, -1)
}

export type { Dim }
