/** What is known of the inputs of a matrix: how they go together, and what that asks of columns when others are rounded. */

/** Sums of x_i x_j over what a product reads, for one span of columns after the other: [n, n] each, row major. */
export type InputMoments = readonly Float32Array[]

/** Columns of a span: rounding errors are made good within it. A wider span finds more that goes together, and costs more time. */
export const SPAN_WIDTH = 1024

/** Added to the diagonal, as a share of its mean: what has hardly been seen must not decide much. */
const DAMPING = 0.01

/** Widths of the spans of `columns` columns. */
export function spanWidths(columns: number): number[] {
  const widths: number[] = []
  for (let left = columns; left > 0; left -= SPAN_WIDTH) widths.push(Math.min(SPAN_WIDTH, left))
  return widths
}

/** The moments' diagonal, damped: how much each column is multiplied with. */
export function dampedDiagonal(moments: Float32Array): Float64Array {
  const n = Math.sqrt(moments.length)
  const diagonal = Float64Array.from({ length: n }, (_, i) => moments[i * n + i] as number)
  const trace = diagonal.reduce((a, b) => a + b)
  // Inputs that were never seen tell nothing: each column for itself.
  const damping = trace > 0 ? (DAMPING * trace) / n : 1
  return diagonal.map((x) => x + damping)
}

/** What fixing columns one after the other asks of those behind. */
export interface ColumnFactors {
  /** [n, n]: row j says what an error of 1 in column j is made good by in the columns behind it (to be subtracted). */
  readonly shares: Float64Array
  /** [n]: how much the square of an error counts that is left to the columns behind. */
  readonly remains: Float64Array
}

/**
 * With H the damped moments and U the upper triangle of H^-1 = U^T U, an error e of column j is made good best by
 * -e U_jk / U_jj in the columns k > j, once those before j are fixed; e^2 / U_jj^2 remains.
 */
export function columnFactors(moments: Float32Array, n: number): ColumnFactors {
  const shares = new Float64Array(moments.length)
  const upper = upperFactor(moments, n)
  // U is the inverse of the factor V of H = V V^T; made row by row from below.
  const inverse = new Float64Array(n * n)
  for (let i = n - 1; i >= 0; i--) {
    const scale = 1 / (upper[i * n + i] as number)
    inverse[i * n + i] = scale
    for (let k = i + 1; k < n; k++) {
      const factor = -scale * (upper[i * n + k] as number)
      for (let c = k; c < n; c++) inverse[i * n + c] = (inverse[i * n + c] as number) + factor * (inverse[k * n + c] as number)
    }
    for (let c = i + 1; c < n; c++) shares[i * n + c] = (inverse[i * n + c] as number) / scale
  }
  return { shares, remains: Float64Array.from({ length: n }, (_, i) => (upper[i * n + i] as number) ** 2) }
}

/** The upper triangle V of H = V V^T: Cholesky's factor taken from the last column to the first. */
function upperFactor(moments: Float32Array, n: number): Float64Array {
  const diagonal = dampedDiagonal(moments)
  const upper = new Float64Array(n * n)
  for (let j = n - 1; j >= 0; j--) {
    const whole = diagonal[j] as number
    let square = whole
    for (let k = j + 1; k < n; k++) square -= (upper[j * n + k] as number) ** 2
    // Rounding of the moments themselves can take a little more than there is.
    const corner = Math.sqrt(Math.max(square, whole * 1e-6))
    upper[j * n + j] = corner
    for (let i = 0; i < j; i++) {
      let sum = moments[i * n + j] as number
      for (let k = j + 1; k < n; k++) sum -= (upper[i * n + k] as number) * (upper[j * n + k] as number)
      upper[i * n + j] = sum / corner
    }
  }
  return upper
}
