/** Operations that only move elements: reshape, transpose, slices along one axis, concatenation, gathering pixels. */
import { type Dim, product, type Shape, sameShape } from '../graph/dims.js'
import { ShapeError } from '../graph/errors.js'
import { type Graph, staticDim } from '../graph/graph.js'
import { defineOperation, type Tensor, type Tensors } from '../graph/operation.js'

/** ONNX's shape vector for a target: sizes as they are, 0 = "as in the input", at most one -1 = "what is left". */
function shapeVector(from: Shape, to: Shape): number[] {
  let free = false
  return to.map((dim, i) => {
    if (typeof dim === 'number') return dim
    if (from[i] === dim) return 0
    if (free) throw new ShapeError('reshape', [from], 'at most one dynamic size that moves', `[${to.join(', ')}]`)
    free = true
    return -1
  })
}

const reshapeOp = defineOperation<[Tensor], [Tensor], { shape: Shape }>('reshape', {
  infer([x], { shape }) {
    const t = x
    if (product(...t.shape) !== product(...shape)) {
      throw new ShapeError('reshape', [t.shape], `${product(...t.shape)} elements`, `[${shape.join(', ')}]`)
    }
    return [{ shape, dtype: t.dtype }]
  },
  emit(g, [x], [y], { shape }) {
    const vector = shapeVector(x.shape, shape)
    g.nodeInto('Reshape', [x, g.constant('i64', [vector.length], vector)], [y])
  },
  gradient(g, { inputs: [x], grads: [dy] }) {
    return [reshape(g, dy, x.shape)]
  },
})

/** The same elements in another shape; at most one dynamic dimension may change its position. */
export function reshape(g: Graph, x: Tensor, shape: readonly Dim[]): Tensor {
  return sameShape(x.shape, shape) ? x : g.apply(reshapeOp, [x], { shape })[0]
}

const transposeOp = defineOperation<[Tensor], [Tensor], { axes: readonly number[] }>('transpose', {
  infer([x], { axes }) {
    const t = x
    if ([...axes].sort((a, b) => a - b).join() !== t.shape.map((_, i) => i).join()) {
      throw new ShapeError('transpose', [t.shape], 'each axis once', `[${axes.join(', ')}]`)
    }
    return [{ shape: axes.map((a) => t.shape[a] as Dim), dtype: t.dtype }]
  },
  emit(g, [x], [y], { axes }) {
    g.nodeInto('Transpose', [x], [y], { perm: axes })
  },
  gradient(g, { grads: [dy], attributes: { axes } }) {
    return [
      transpose(
        g,
        dy,
        axes.map((_, i) => axes.indexOf(i)),
      ),
    ]
  },
})

/** Permutes the axes: output axis i is input axis `axes[i]`. */
export function transpose(g: Graph, x: Tensor, axes: readonly number[]): Tensor {
  return g.apply(transposeOp, [x], { axes })[0]
}

const splitOp = defineOperation<[Tensor], Tensors, { axis: number; sizes: readonly number[] }>('split', {
  infer([x], { axis, sizes }) {
    const t = x
    const whole = staticDim('split', t.shape, axis)
    const sum = sizes.reduce((a, b) => a + b, 0)
    if (sum !== whole) throw new ShapeError('split', [t.shape], `sizes that add up to ${whole}`, `${sum}`)
    return sizes.map((size) => ({ shape: t.shape.map((d, i) => (i === axis ? size : d)), dtype: t.dtype }))
  },
  emit(g, [x], ys, { axis, sizes }) {
    g.nodeInto('Split', [x, g.constant('i64', [sizes.length], sizes)], ys, { axis })
  },
  gradient(g, { inputs: [x], outputs, grads, attributes: { axis } }) {
    const parts = grads.map((d, i) => d ?? zerosLike(g, outputs[i] as Tensor))
    return [g.node('Concat', parts, [{ shape: x.shape, dtype: 'f32' }], { axis })[0]]
  },
})

/** Cuts one axis (of static size) into consecutive pieces. */
export function split(g: Graph, x: Tensor, axis: number, sizes: readonly number[]): readonly Tensor[] {
  return g.apply(splitOp, [x], { axis, sizes })
}

/** Zeros in the shape of `x`; no gradient flows through them. */
export function zerosLike(g: Graph, x: Tensor): Tensor {
  return g.node('Mul', [x, g.scalar(0)], [{ shape: x.shape, dtype: 'f32' }])[0] as Tensor
}

const concatOp = defineOperation<Tensors, [Tensor], { axis: number }>('concat', {
  infer(inputs, { axis }) {
    const first = inputs[0] as Tensor
    let size = 0
    for (const t of inputs) {
      const rest = t.shape.every((d, i) => i === axis || d === first.shape[i])
      if (!rest) throw new ShapeError('concat', [first.shape, t.shape], `equal sizes but for axis ${axis}`, 'others')
      size += staticDim('concat', t.shape, axis)
    }
    return [{ shape: first.shape.map((d, i) => (i === axis ? size : d)), dtype: first.dtype }]
  },
  emit(g, inputs, [y], { axis }) {
    g.nodeInto('Concat', inputs, [y], { axis })
  },
  gradient(g, { inputs, grads: [dy], attributes: { axis } }) {
    const sizes = inputs.map((t) => staticDim('concat', t.shape, axis))
    return split(g, dy, axis, sizes)
  },
})

/** Joins tensors along one axis of static size. */
export function concat(g: Graph, xs: readonly Tensor[], axis: number): Tensor {
  return g.apply(concatOp, xs, { axis })[0]
}

const cutOp = defineOperation<[Tensor], Tensors, { axis: number; parts: number }>('cut', {
  infer([x], { axis, parts }) {
    const part = partOf(x.shape[axis] as Dim, parts)
    if (part === undefined)
      throw new ShapeError('cut', [x.shape], `a multiple of ${parts} at axis ${axis}`, String(x.shape[axis]))
    return Array.from({ length: parts }, () => ({ shape: x.shape.with(axis, part), dtype: x.dtype }))
  },
  emit(g, [x], ys, { axis, parts }) {
    g.nodeInto('Split', [x], ys, { axis, num_outputs: parts })
  },
  gradient(g, { outputs, grads, attributes: { axis } }) {
    return [
      join(
        g,
        grads.map((d, i) => d ?? zerosLike(g, outputs[i] as Tensor)),
        axis,
      ),
    ]
  },
})

/** The size of each of n equal parts of a dimension; undefined where it cannot be told. */
function partOf(dim: Dim, parts: number): Dim | undefined {
  if (typeof dim === 'number') return dim % parts === 0 ? dim / parts : undefined
  const [coefficient, ...names] = dim.split('*')
  const part = Number(coefficient) / parts
  return Number.isInteger(part) ? product(part, ...names) : undefined
}

/** Cuts an axis into equal parts; of a dynamic size, which must be written as a product, too. */
export function cut(g: Graph, x: Tensor, axis: number, parts: number): readonly Tensor[] {
  return parts === 1 ? [x] : g.apply(cutOp, [x], { axis, parts })
}

const joinOp = defineOperation<Tensors, [Tensor], { axis: number }>('join', {
  infer(parts, { axis }) {
    const { shape, dtype } = parts[0] as Tensor
    const other = parts.find((t) => !sameShape(t.shape, shape))
    if (other) throw new ShapeError('join', [shape, other.shape], 'equal parts', 'others')
    return [{ shape: shape.with(axis, product(parts.length, shape[axis] as Dim)), dtype }]
  },
  emit(g, parts, [y], { axis }) {
    g.nodeInto('Concat', parts, [y], { axis })
  },
  gradient: (g, { inputs, grads: [dy], attributes: { axis } }) => cut(g, dy, axis, inputs.length),
})

/** Joins equal parts along an axis of any size: the inverse of `cut`. */
export function join(g: Graph, parts: readonly Tensor[], axis: number): Tensor {
  return parts.length === 1 ? (parts[0] as Tensor) : g.apply(joinOp, parts, { axis })[0]
}

const padFrontOp = defineOperation<[Tensor], [Tensor], null>('padFront', {
  infer([x]) {
    const t = x
    if (t.shape.length !== 3) throw new ShapeError('padFront', [t.shape], 'rank 3', `rank ${t.shape.length}`)
    return [{ shape: [t.shape[0] as Dim, staticDim('padFront', t.shape, 1) + 1, t.shape[2] as Dim], dtype: 'f32' }]
  },
  emit(g, [x], [y]) {
    g.nodeInto('Pad', [x, g.constant('i64', [6], [0, 1, 0, 0, 0, 0])], [y])
  },
  gradient(g, { inputs: [x], grads: [dy] }) {
    return [split(g, dy, 1, [1, x.shape[1] as number])[1]]
  },
})

/** x [n, rows, width] with a row of zeros before the others: [n, rows + 1, width]. */
export function padFront(g: Graph, x: Tensor): Tensor {
  return g.apply(padFrontOp, [x], null)[0]
}

/** Where each output pixel of a convolution reads: `taps` positions per output in the zero-padded input. */
export interface PixelIndex {
  readonly inputs: number
  readonly outputs: number
  readonly taps: number
  /** [outputs * taps] input pixels; `inputs` itself stands for the zero that surrounds the image. */
  readonly from: Int32Array
  /** How many output positions read one pixel at most: fewer than `taps` where the stride skips some. */
  readonly backTaps: number
  /** [backTaps * inputs] positions in [outputs * taps] that read each pixel; outputs * taps stands for none. */
  readonly back: Int32Array
}

/** The index of a square k x k convolution (padding k >> 1, given stride) over a size x size image. */
export function convolutionIndex(size: number, kernel: number, stride: number): PixelIndex {
  const out = Math.ceil(size / stride)
  const taps = kernel * kernel
  const half = kernel >> 1
  const from = new Int32Array(out * out * taps).fill(size * size)
  const backTaps = Math.ceil(kernel / stride) ** 2
  const back = new Int32Array(size * size * backTaps).fill(out * out * taps)
  const readers = new Int32Array(size * size)
  for (let y = 0; y < out; y++)
    for (let x = 0; x < out; x++)
      for (let tap = 0; tap < taps; tap++) {
        const sy = y * stride + Math.floor(tap / kernel) - half
        const sx = x * stride + (tap % kernel) - half
        if (sy < 0 || sx < 0 || sy >= size || sx >= size) continue
        const at = (y * out + x) * taps + tap
        const pixel = sy * size + sx
        from[at] = pixel
        back[(readers[pixel] as number) * size * size + pixel] = at
        readers[pixel] = (readers[pixel] as number) + 1
      }
  return { inputs: size * size, outputs: out * out, taps, from, backTaps, back }
}

function withZeroRow(g: Graph, x: Tensor, pixels: number, channels: number): Tensor {
  const pads = g.constant('i64', [6], [0, 0, 0, 0, 1, 0])
  return g.node('Pad', [x, pads], [{ shape: [x.shape[0] as Dim, pixels + 1, channels], dtype: 'f32' }])[0] as Tensor
}

const gatherPixelsOp = defineOperation<[Tensor], [Tensor], { index: PixelIndex }>('gatherPixels', {
  infer([x], { index }) {
    const [images, pixels, channels] = x.shape
    if (x.shape.length !== 3 || pixels !== index.inputs || typeof channels !== 'number') {
      throw new ShapeError('gatherPixels', [x.shape], `[images, ${index.inputs}, channels]`, 'another shape')
    }
    return [{ shape: [images as Dim, index.outputs, index.taps * channels], dtype: 'f32' }]
  },
  emit(g, [x], [y], { index }) {
    const [images, pixels, channels] = x.shape as [Dim, number, number]
    const from = g.constant('i32', [index.from.length], index.from)
    const columns = g.node(
      'Gather',
      [withZeroRow(g, x, pixels, channels), from],
      [{ shape: [images, index.from.length, channels], dtype: 'f32' }],
      { axis: 1 },
    )[0] as Tensor
    const target = g.constant('i64', [3], [0, index.outputs, index.taps * channels])
    g.nodeInto('Reshape', [columns, target], [y])
  },
  gradient(g, { inputs: [x], grads: [dy], attributes: { index } }) {
    const [images, pixels, channels] = x.shape as [Dim, number, number]
    const flat = reshape(g, dy, [images, index.outputs * index.taps, channels])
    const back = g.constant('i32', [index.back.length], index.back)
    const read = g.node(
      'Gather',
      [withZeroRow(g, flat, index.outputs * index.taps, channels), back],
      [{ shape: [images, index.back.length, channels], dtype: 'f32' }],
      { axis: 1 },
    )[0] as Tensor
    const grouped = g.node(
      'Reshape',
      [read, g.constant('i64', [4], [0, index.backTaps, pixels, channels])],
      [{ shape: [images, index.backTaps, pixels, channels], dtype: 'f32' }],
    )[0] as Tensor
    return [
      g.node('ReduceSum', [grouped, g.constant('i64', [1], [1])], [{ shape: [images, pixels, channels], dtype: 'f32' }], {
        keepdims: 0,
      })[0],
    ]
  },
  // Behind a linear layer of stride 1 this is a convolution, whose gradient is the convolution with the mirrored kernel:
  // it gathers from the small image, where the columns' own gradient would be read from all over a large one.
  gradientOfProduct(g, _, { left, right }, { index }) {
    const { inputs, outputs, taps, backTaps } = index
    if (inputs !== outputs || taps !== backTaps) return undefined
    const [out, wide] = right.shape as [number, number]
    const channels = wide / taps
    const order = g.constant(
      'i32',
      [taps],
      Int32Array.from({ length: taps }, (__, tap) => taps - 1 - tap),
    )
    const kernel = reshape(g, right, [out, taps, channels])
    const mirrored = g.node('Gather', [kernel, order], [{ shape: kernel.shape, dtype: 'f32' }], { axis: 1 })[0] as Tensor
    const weight = reshape(g, transpose(g, mirrored, [1, 0, 2]), [taps * out, channels])
    const columns = gatherPixels(g, left, index)
    return g.node('MatMul', [columns, weight], [{ shape: [...left.shape.slice(0, -1), channels], dtype: 'f32' }])[0]
  },
})

/**
 * The columns of a convolution: x [images, pixels, channels] -> [images, outputs, taps * channels]. With a linear layer
 * behind it this is a convolution whose gradients need no operator of their own.
 */
export function gatherPixels(g: Graph, x: Tensor, index: PixelIndex): Tensor {
  return g.apply(gatherPixelsOp, [x], { index })[0]
}
