/**
 * The nearest matrix with orthonormal rows (or columns, whichever are fewer), nearly: five steps of a quintic Newton-Schulz
 * iteration bring all singular values of a matrix near 1 (0.7 to 1.2) and leave its singular vectors. Only products, so the engine does it.
 *
 * A step is X <- (a + P) X with P = b S + c S S and S = X X^T. All P and S are polynomials of the first S, so where X is long the
 * five steps are made on S alone, and X is multiplied once, by the product of the five factors.
 */
import type { Dim, Shape } from '../graph/dims.js'
import type { Graph } from '../graph/graph.js'
import type { Tensor } from '../graph/operation.js'

const STEPS = 5
/** Steepest at zero among those that stay near 1 (Jordan et al., Muon, 2024). */
const QUINTIC = { a: 3.4445, b: -4.775, c: 2.0315 } as const
/** Keeps a matrix of zeros from being divided by zero. */
const EPSILON = 1e-7
/** From this ratio of the sides on, steps on S take fewer multiplications: 17 products of S in place of 15 that X is in. */
const LONG = 1.5

/** How a matrix is worked on. */
export interface Form {
  /** Columns are fewer than rows: X stands on the left of the small matrices, and S = X^T X. */
  readonly tall: boolean
  /** The steps are made on S alone. */
  readonly long: boolean
}

/** The form with the fewest multiplications. */
export function formOf(rows: number, columns: number): Form {
  return { tall: rows > columns, long: Math.max(rows, columns) > LONG * Math.min(rows, columns) }
}

/** alpha A B + beta C, all matrices. */
function gemm(g: Graph, a: Tensor, b: Tensor, c: Tensor, beta: number, alpha = 1): Tensor {
  return g.float('Gemm', [a, b, c], c.shape, { alpha: { float: alpha }, beta: { float: beta } })
}

/** x [rows, columns] with its singular values brought near 1; of zeros zeros. Inputs of the graph only: there is no gradient. */
export function orthogonal(g: Graph, x: Tensor, { tall, long }: Form): Tensor {
  const [rows, columns] = x.shape as [Dim, Dim]
  const short: Shape = tall ? [columns, columns] : [rows, rows]
  const squares = (t: Tensor) => g.float('Gemm', [t, t], short, tall ? { transA: 1 } : { transB: 1 })
  const times = (small: Tensor, t: Tensor, beta: number) => (tall ? gemm(g, t, small, t, beta) : gemm(g, small, t, t, beta))
  const { a, b, c } = QUINTIC

  const norm = g.float('Add', [g.float('ReduceL2', [x], [], { keepdims: 0 }), g.scalar(EPSILON)], [])
  let y = g.float('Div', [x, norm], x.shape)
  let s = squares(y)
  // The factor of X so far is q + r.
  let q = 1
  let r: Tensor | undefined
  for (let step = 1; step <= STEPS; step++) {
    const p = gemm(g, s, s, s, b, c)
    if (!long) {
      y = times(p, y, a)
      if (step < STEPS) s = squares(y)
      continue
    }
    r = r ? gemm(g, p, r, g.float('Add', [scaled(g, r, a), scaled(g, p, q)], short), 1) : p
    q *= a
    if (step < STEPS) {
      const t = gemm(g, p, s, s, a)
      s = gemm(g, t, p, t, a)
    }
  }
  return r ? times(r, y, q) : y
}

function scaled(g: Graph, t: Tensor, factor: number): Tensor {
  return g.float('Mul', [t, g.scalar(factor)], t.shape)
}
