/**
 * 3 x 3 convolutions of stride 1 by Winograd's minimal filtering (Lavin and Gray, 2016): blocks of 4 x 4 outputs are computed
 * from overlapping tiles of 6 x 6 inputs. Small constant matrices bring tiles and kernel to 36 places, at each of which the convolution is one
 * product, and the results back: a quarter of the multiplications. All three products of a training step (outputs, gradient of the inputs,
 * gradient of the kernel) are made there.
 */
import { type Dim, product } from '../graph/dims.js'
import { ShapeError } from '../graph/errors.js'
import { type Graph, staticDim } from '../graph/graph.js'
import { defineOperation, type Tensor } from '../graph/operation.js'

/** Outputs of a block along each side, and the inputs that they are computed from. */
const BLOCK = 4
const TILE = BLOCK + 2
/** Places where a tile and the kernel are multiplied. */
const PLACES = TILE * TILE

/** One dimension of F(4, 3): a tile to its places. */
const tileTransform = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
]
/** A kernel to its places. */
const kernelTransform = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
]
/** Products at the places to a block. */
const blockTransform = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
]

type Matrix = readonly (readonly number[])[]

/** The same transform over rows and columns at once: its Kronecker square. */
function square(one: Matrix): Matrix {
  return one.flatMap((a) => one.map((b) => a.flatMap((x) => b.map((y) => x * y))))
}

function transposed(m: Matrix): Matrix {
  return (m[0] ?? []).map((_, i) => m.map((row) => row[i] as number))
}

const both = { tile: square(tileTransform), kernel: square(kernelTransform), block: square(blockTransform) }
// A row of zeros below the others is what pixels at the border read in place of tiles that are not there.
const tileGradient: Matrix = [...transposed(both.tile), new Array<number>(PLACES).fill(0)]

/** A reshape inside an operation; the first dynamic size is what is left. */
function view(g: Graph, x: Tensor, shape: readonly Dim[]): Tensor {
  const vector = shape.map((dim) => (typeof dim === 'number' ? dim : -1))
  return g.float('Reshape', [x, g.constant('i64', [vector.length], vector)], shape)
}

/** A matrix [a, b] over the first axis of x [b, rest] -> [a, rest]. */
function transform(g: Graph, matrix: Matrix, x: Tensor): Tensor {
  const [rows, columns] = [matrix.length, (matrix[0] ?? []).length]
  const rest = product(...x.shape.slice(1))
  const m = g.constant('f32', [rows, columns], Float32Array.from(matrix.flat()))
  return g.float('MatMul', [m, view(g, x, [columns, rest])], [rows, rest])
}

/** Where tiles read. */
interface Tiles {
  readonly side: number
  /** Tiles of an image, and of one of its rows of tiles. */
  readonly count: number
  readonly along: number
  /** [places * count] pixels that the tiles read; side^2 stands for the zeros around the image. */
  readonly from: Int32Array
  /** [4 * side^2] places * count that read each pixel; places * count stands for none. */
  readonly back: Int32Array
}

function tilesOf(side: number): Tiles {
  const along = side / BLOCK
  const count = along * along
  const from = new Int32Array(PLACES * count).fill(side * side)
  const back = new Int32Array(4 * side * side).fill(PLACES * count)
  const readers = new Int32Array(side * side)
  for (let place = 0; place < PLACES; place++)
    for (let tile = 0; tile < count; tile++) {
      const y = Math.floor(tile / along) * BLOCK + Math.floor(place / TILE) - 1
      const x = (tile % along) * BLOCK + (place % TILE) - 1
      if (y < 0 || x < 0 || y >= side || x >= side) continue
      const pixel = y * side + x
      from[place * count + tile] = pixel
      back[(readers[pixel] as number) * side * side + pixel] = place * count + tile
      readers[pixel] = (readers[pixel] as number) + 1
    }
  return { side, count, along, from, back }
}

/** Emits the kernel at all places: w [out, 9 * channels] -> [places, out, channels]. */
function kernelAtPlaces(g: Graph, w: Tensor, kernel: Tensor): void {
  const [, out, channels] = kernel.shape as [Dim, number, number]
  const taps = g.float('Transpose', [view(g, w, [out, 9, channels])], [9, out, channels], { perm: [1, 0, 2] })
  g.nodeInto('Reshape', [transform(g, both.kernel, taps), g.constant('i64', [3], [PLACES, out, channels])], [kernel])
}

const convolutionOp = defineOperation<[Tensor, Tensor], [Tensor, Tensor, Tensor], Tiles>('convolution', {
  infer([x, w], { side, count }) {
    const [images, pixels, channels] = x.shape
    const [out, wide] = w.shape
    if (x.shape.length !== 3 || pixels !== side * side || typeof channels !== 'number' || wide !== 9 * channels) {
      throw new ShapeError(
        'convolution',
        [x.shape, w.shape],
        `[images, ${side * side}, channels] and [out, 9 * channels]`,
        'these',
      )
    }
    return [
      { shape: [images as Dim, pixels, out as Dim], dtype: 'f32' },
      // Tiles and kernel at the places, which the gradients read again.
      { shape: [PLACES, product(count, images as Dim), channels], dtype: 'f32' },
      { shape: [PLACES, out as Dim, channels], dtype: 'f32' },
    ]
  },
  emit(g, [x, w], [y, tiles, kernel], { along, count, from }) {
    const [images, pixels, channels] = x.shape as [Dim, number, number]
    const out = staticDim('convolution', w.shape, 0)
    const padded = g.float('Pad', [x, g.constant('i64', [6], [0, 0, 0, 0, 1, 0])], [images, pixels + 1, channels])
    const byPixel = g.float('Transpose', [padded], [pixels + 1, images, channels], { perm: [1, 0, 2] })
    const read = g.float('Gather', [byPixel, g.constant('i32', [from.length], from)], [from.length, images, channels], {
      axis: 0,
    })
    const atPlaces = transform(g, both.tile, view(g, read, [PLACES, product(count, images, channels)]))
    g.nodeInto('Reshape', [atPlaces, g.constant('i64', [3], [PLACES, -1, channels])], [tiles])
    kernelAtPlaces(g, w, kernel)
    const products = g.float(
      'FusedMatMul',
      [tiles, kernel],
      [PLACES, product(count, images), out],
      { transB: 1 },
      'com.microsoft',
    )
    const blocks = view(g, transform(g, both.block, products), [BLOCK, BLOCK, along, along, images, out])
    const ordered = g.float('Transpose', [blocks], [images, along, BLOCK, along, BLOCK, out], { perm: [4, 2, 0, 3, 1, 5] })
    g.nodeInto('Reshape', [ordered, g.constant('i64', [3], [-1, pixels, out])], [y])
  },
  // The transposed of each step of `emit`, backwards.
  gradient(g, { inputs: [x, w], outputs: [, tiles, kernel], grads: [dy], wanted, attributes: { along, count, back } }) {
    const [images, pixels, channels] = x.shape as [Dim, number, number]
    const out = staticDim('convolution', w.shape, 0)
    const rows = product(count, images)
    const blocks = view(g, dy as Tensor, [images, along, BLOCK, along, BLOCK, out])
    const ordered = g.float('Transpose', [blocks], [BLOCK, BLOCK, along, along, images, out], { perm: [2, 4, 1, 3, 0, 5] })
    const flat = view(g, ordered, [BLOCK * BLOCK, product(rows, out)])
    const dProducts = view(g, transform(g, transposed(both.block), flat), [PLACES, rows, out])
    const dx = (): Tensor => {
      const dTiles = g.float('MatMul', [dProducts, kernel], [PLACES, rows, channels])
      const spread = view(g, transform(g, tileGradient, dTiles), [(PLACES + 1) * count, images, channels])
      const read = (reader: number): Tensor => {
        const index = g.constant('i32', [pixels], back.subarray(reader * pixels, (reader + 1) * pixels))
        return g.float('Gather', [spread, index], [pixels, images, channels], { axis: 0 })
      }
      const sum = g.float('Sum', [0, 1, 2, 3].map(read), [pixels, images, channels])
      return g.float('Transpose', [sum], x.shape, { perm: [1, 0, 2] })
    }
    const dw = (): Tensor => {
      const atPlaces = g.float('FusedMatMul', [dProducts, tiles], [PLACES, out, channels], { transA: 1 }, 'com.microsoft')
      const taps = view(g, transform(g, transposed(both.kernel), atPlaces), [9, out, channels])
      return view(g, g.float('Transpose', [taps], [out, 9, channels], { perm: [1, 0, 2] }), w.shape)
    }
    return [wanted[0] ? dx() : undefined, wanted[1] ? dw() : undefined]
  },
})

/** Whether images of side x side pixels can be cut into blocks. */
export function hasBlocks(side: number): boolean {
  return side % BLOCK === 0
}

/**
 * A 3 x 3 convolution of stride 1 with zeros around the image, whose side is a multiple of 4: x [images, side^2, channels], w [out, 9 *
 * channels] with the taps row by row and the channels of a tap together -> [images, side^2, out].
 */
export function convolution(g: Graph, x: Tensor, w: Tensor): Tensor {
  const pixels = staticDim('convolution', x.shape, 1)
  const side = Math.sqrt(pixels)
  if (!hasBlocks(side))
    throw new ShapeError('convolution', [x.shape], 'square images whose side is a multiple of 4', `${pixels} pixels`)
  return g.apply(convolutionOp, [x, w], tilesOf(side))[0]
}
