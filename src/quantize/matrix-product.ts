/** Products of matrices in memory through the engine, for sums that are too many for plain loops. */
import { allocate, Graph, matmul, Session, Value } from '../engine/index.js'

/** One compiled product for any sizes; `dispose` it. */
export class MatrixProduct {
  private readonly session: Session

  /** @param signal ends the work that is made of products */
  constructor(private readonly signal?: AbortSignal) {
    const g = new Graph('matrix-product')
    const [a, b] = [g.input('a', 'f32', [1, 'rows', 'inner']), g.input('b', 'f32', [1, 'inner', 'columns'])]
    g.output('product', matmul(g, a, b))
    this.session = new Session(g, new Map(), { memoryPattern: false })
  }

  /** a b, [rows, inner] x [inner, columns], both row-major and made by `allocate`. */
  async of(a: Float32Array, b: Float32Array, inner: number): Promise<Float32Array> {
    this.signal?.throwIfAborted()
    const [rows, columns] = [a.length / inner, b.length / inner]
    const product = allocate('f32', rows * columns)
    const values = {
      a: Value.of('f32', [1, rows, inner], a),
      b: Value.of('f32', [1, inner, columns], b),
      product: Value.of('f32', [1, rows, columns], product),
    }
    try {
      await this.session.run({ inputs: { a: values.a, b: values.b }, outputs: { product: values.product } })
    } finally {
      this.session.unbind()
      for (const value of Object.values(values)) value.dispose()
    }
    return product
  }

  dispose(): void {
    this.session.dispose()
  }
}
