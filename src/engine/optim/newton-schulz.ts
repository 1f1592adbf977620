/**
 * The nearest matrix with orthonormal rows (or columns, whichever are fewer), nearly: five steps of a quintic Newton-Schulz
 * iteration bring all singular values of a matrix near 1 (0.7 to 1.2) and leave its singular vectors. Only products, so the engine does it.
 */
import { Graph } from '../graph/graph.js'
import { add, scale } from '../ops/arithmetic.js'
import { matmul } from '../ops/products.js'
import { Session } from '../runtime/session.js'
import { allocate, Value } from '../runtime/value.js'

const STEPS = 5
/** X <- a X + (b S + c S S) X with S = X X^T: steepest at zero among those that stay near 1 (Jordan et al., Muon, 2024). */
const QUINTIC = { a: 3.4445, b: -4.775, c: 2.0315 } as const
/** Keeps a matrix of zeros from being divided by zero. */
const EPSILON = 1e-7

/** Sessions for matrices of any sizes; `dispose` once. */
export class NewtonSchulz {
  private readonly wide: Session
  private readonly tall: Session

  /** @param threads inside each product */
  constructor(threads = 1) {
    const session = (g: Graph) => new Session(g, new Map(), { threads, memoryPattern: false })
    this.wide = session(iteration('wide'))
    this.tall = session(iteration('tall'))
  }

  /** @param x [rows, columns], row-major; @returns a new array of that shape, made by `allocate` */
  async of(x: Float32Array, rows: number, columns: number): Promise<Float32Array> {
    const session = rows <= columns ? this.wide : this.tall
    let squares = 0
    for (let i = 0; i < x.length; i++) squares += (x[i] as number) ** 2
    const inverse = 1 / (Math.sqrt(squares) + EPSILON)
    const [scaled, result] = [allocate('f32', x.length), allocate('f32', x.length)]
    for (let i = 0; i < x.length; i++) scaled[i] = (x[i] as number) * inverse
    const shape = [1, rows, columns]
    const values = { x: Value.of('f32', shape, scaled), y: Value.of('f32', shape, result) }
    try {
      await session.run({ inputs: { x: values.x }, outputs: { y: values.y } })
    } finally {
      session.unbind()
      for (const value of Object.values(values)) value.dispose()
    }
    return result
  }

  dispose(): void {
    this.wide.dispose()
    this.tall.dispose()
  }
}

/** The squares are made of the shorter side: X X^T of a wide matrix, X^T X of a tall one. */
function iteration(form: 'wide' | 'tall'): Graph {
  const g = new Graph(`newton-schulz-${form}`)
  let x = g.input('x', 'f32', [1, 'rows', 'columns'])
  for (let step = 0; step < STEPS; step++) {
    const s = form === 'wide' ? matmul(g, x, x, { transB: true }) : matmul(g, x, x, { transA: true })
    const inner = add(g, scale(g, s, QUINTIC.b), matmul(g, s, s, { alpha: QUINTIC.c }))
    const turned = form === 'wide' ? matmul(g, inner, x) : matmul(g, x, inner)
    x = add(g, scale(g, x, QUINTIC.a), turned)
  }
  g.output('y', x)
  return g
}
