/** Operations on rows chosen by an index: PLoRA's gather and add, image features set into a sequence, embeddings. */
import { type Dim, sameShape } from '../graph/dims.js'
import { ShapeError } from '../graph/errors.js'
import { type Graph, staticDim } from '../graph/graph.js'
import { defineOperation, type Tensor } from '../graph/operation.js'

/**
 * Row positions: i64 [rows, k] that addresses the first k dimensions of a tensor, so [batch, column] pairs choose rows of
 * [batch, tokens, width]. `rows` may be 0 at run time: then nothing is computed.
 */
export type RowIndex = Tensor

function rowShape(operation: string, x: Tensor, index: RowIndex): Dim[] {
  const depth = staticDim(operation, index.shape, 1)
  if (index.dtype !== 'i64' || index.shape.length !== 2 || depth >= x.shape.length) {
    throw new ShapeError(operation, [x.shape, index.shape], 'an i64 index of [rows, k], k below the rank', index.dtype)
  }
  return [index.shape[0] as Dim, ...x.shape.slice(depth)]
}

function expectRows(operation: string, x: Tensor, index: RowIndex, rows: Tensor): void {
  const expected = rowShape(operation, x, index)
  if (!sameShape(rows.shape, expected)) {
    throw new ShapeError(
      operation,
      [x.shape, index.shape, rows.shape],
      `rows of [${expected.join(', ')}]`,
      `[${rows.shape.join(', ')}]`,
    )
  }
}

const f32 = (shape: readonly Dim[]) => ({ shape, dtype: 'f32' }) as const

const gatherRowsOp = defineOperation<[Tensor, Tensor], [Tensor], null>('gatherRows', {
  infer: ([x, index]) => [f32(rowShape('gatherRows', x, index))],
  emit(g, inputs, outputs) {
    g.nodeInto('GatherND', inputs, outputs)
  },
  gradient: (_, { inputs: [, index], grads: [dy] }) => [{ index: index, rows: dy }, undefined],
})

/** The rows of x that the index names, [rows, ...]. */
export function gatherRows(g: Graph, x: Tensor, index: RowIndex): Tensor {
  return g.apply(gatherRowsOp, [x, index], null)[0]
}

const addRowsOp = defineOperation<[Tensor, Tensor, Tensor], [Tensor], null>('addRows', {
  infer([x, index, rows]) {
    expectRows('addRows', x, index, rows)
    return [f32(x.shape)]
  },
  emit(g, inputs, outputs) {
    g.nodeInto('ScatterND', inputs, outputs, { reduction: 'add' })
  },
  gradient: (g, { inputs: [, index, rows], grads: [dy], wanted }) => [
    wanted[0] ? dy : undefined,
    undefined,
    wanted[2] ? g.node('GatherND', [dy, index], [f32(rows.shape)])[0] : undefined,
  ],
})

/** x with `rows` added at the index. */
export function addRows(g: Graph, x: Tensor, index: RowIndex, rows: Tensor): Tensor {
  return g.apply(addRowsOp, [x, index, rows], null)[0]
}

const setRowsOp = defineOperation<[Tensor, Tensor, Tensor], [Tensor], null>('setRows', {
  infer([x, index, rows]) {
    expectRows('setRows', x, index, rows)
    return [f32(x.shape)]
  },
  emit(g, inputs, outputs) {
    g.nodeInto('ScatterND', inputs, outputs)
  },
  gradient(g, { inputs: [, index, rows], grads: [dy], wanted }) {
    const d = dy
    const zeros = () => g.node('Mul', [rows, g.scalar(0)], [f32(rows.shape)])[0]
    return [
      wanted[0] ? g.node('ScatterND', [d, index, zeros()], [f32(d.shape)])[0] : undefined,
      undefined,
      wanted[2] ? g.node('GatherND', [d, index], [f32(rows.shape)])[0] : undefined,
    ]
  },
})

/** x with the rows at the index replaced; the index must not repeat. */
export function setRows(g: Graph, x: Tensor, index: RowIndex, rows: Tensor): Tensor {
  return g.apply(setRowsOp, [x, index, rows], null)[0]
}

const embeddingOp = defineOperation<[Tensor, Tensor], [Tensor], { paddingId: number }>('embedding', {
  infer([table, ids]) {
    const [t, i] = [table, ids]
    if (t.shape.length !== 2 || i.dtype !== 'i64') {
      throw new ShapeError('embedding', [t.shape, i.shape], 'a table of [vocabulary, width] and i64 ids', i.dtype)
    }
    return [f32([...i.shape, t.shape[1] as Dim])]
  },
  emit(g, inputs, outputs) {
    g.nodeInto('Gather', inputs, outputs, { axis: 0 })
  },
  gradient(g, { inputs: [table, ids], grads: [dy], attributes: { paddingId } }) {
    const [t, i] = [table, ids]
    const zeros = g.node('ConstantOfShape', [g.constant('i64', [2], t.shape as number[])], [f32(t.shape)])[0]
    const index = g.node('Unsqueeze', [i, g.constant('i64', [1], [-1])], [{ shape: [...i.shape, 1], dtype: 'i64' }])[0]
    const sum = g.node('ScatterND', [zeros, index, dy], [f32(t.shape)], { reduction: 'add' })[0]
    const width = t.shape[1] as number
    const blank = g.constant('f32', [1, width], new Float32Array(width))
    return [g.node('ScatterND', [sum, g.constant('i64', [1, 1], [paddingId]), blank], [f32(t.shape)])[0], undefined]
  },
})

/** Rows of an embedding table, ids [...] -> [..., width]; the row of `paddingId` gets no gradient (SPEC 4). */
export function embedding(g: Graph, table: Tensor, ids: Tensor, paddingId: number): Tensor {
  return g.apply(embeddingOp, [table, ids], { paddingId })[0]
}
