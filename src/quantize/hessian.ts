/** The Hessian H = X^T X of a layer's output error, from the inputs X that it reads, and the factors of its inverse that GPTQ rounds by. */

/** H block-diagonal: for one span of n columns after the other the sums of x_i x_j over all inputs, [n, n] row major. */
export type Hessian = readonly Float32Array[]

/** Columns of a diagonal block of H: rounding errors are compensated within it. A wider one uses more correlations, and costs more time. */
export const SPAN_WIDTH = 1024

/** Damping: this share of the mean diagonal is added to the diagonal, so that H can be inverted and rare inputs do not decide much. */
const DAMPING = 0.01

/** Widths of the spans of `columns` columns. */
export function spanWidths(columns: number): number[] {
  const widths: number[] = []
  for (let left = columns; left > 0; left -= SPAN_WIDTH) widths.push(Math.min(SPAN_WIDTH, left))
  return widths
}

/** The damped diagonal of H. */
export function dampedDiagonal(hessian: Float32Array): Float64Array {
  const n = Math.sqrt(hessian.length)
  const diagonal = Float64Array.from({ length: n }, (_, i) => hessian[i * n + i] as number)
  const trace = diagonal.reduce((a, b) => a + b)
  // Without inputs H is the identity: plain rounding.
  const damping = trace > 0 ? (DAMPING * trace) / n : 1
  return diagonal.map((x) => x + damping)
}

/** The factors that GPTQ needs while it fixes columns one after the other. */
export interface ColumnFactors {
  /** [n, n]: row j is U_jk / U_jj: the update of the columns k > j that compensates an error of 1 in column j (to be subtracted). */
  readonly shares: Float64Array
  /** [n]: 1 / U_jj^2: how much the square of an error of column j counts after compensation. */
  readonly remains: Float64Array
}

/**
 * With U the upper Cholesky factor of the inverse of the damped Hessian, H^-1 = U^T U, an error e of column j is compensated best by
 * -e U_jk / U_jj in the columns k > j, once those before j are fixed; e^2 / U_jj^2 remains.
 */
export function columnFactors(hessian: Float32Array, n: number): ColumnFactors {
  const upper = upperFactor(hessian, n)
  // U is the inverse of the factor V of H = V V^T.
  const shares = inverseOf(upper, n)
  for (let j = 0; j < n; j++) {
    const corner = shares[j * n + j] as number
    shares[j * n + j] = 0
    for (let k = j + 1; k < n; k++) shares[j * n + k] = (shares[j * n + k] as number) / corner
  }
  return { shares, remains: Float64Array.from({ length: n }, (_, i) => (upper[i * n + i] as number) ** 2) }
}

/**
 * The upper triangle V of H = V V^T: Cholesky's factor taken from the last column to the first. Four rows are done together, which reads
 * a quarter as much; past the end they are the last row once more.
 */
function upperFactor(hessian: Float32Array, n: number): Float64Array {
  const diagonal = dampedDiagonal(hessian)
  const upper = new Float64Array(n * n)
  for (let j = n - 1; j >= 0; j--) {
    const own = upper.subarray(j * n, (j + 1) * n)
    const whole = diagonal[j] as number
    let square = whole
    for (let k = j + 1; k < n; k++) square -= (own[k] as number) ** 2
    // Rounding of H itself can take a little more than there is.
    const corner = Math.sqrt(Math.max(square, whole * 1e-6))
    own[j] = corner
    for (let i = 0; i < j; i += 4) {
      const [r0, r1, r2, r3] = [i * n, Math.min(i + 1, j - 1) * n, Math.min(i + 2, j - 1) * n, Math.min(i + 3, j - 1) * n]
      let s0 = hessian[r0 + j] as number
      let s1 = hessian[r1 + j] as number
      let s2 = hessian[r2 + j] as number
      let s3 = hessian[r3 + j] as number
      for (let k = j + 1; k < n; k++) {
        const x = own[k] as number
        s0 -= (upper[r0 + k] as number) * x
        s1 -= (upper[r1 + k] as number) * x
        s2 -= (upper[r2 + k] as number) * x
        s3 -= (upper[r3 + k] as number) * x
      }
      upper[r0 + j] = s0 / corner
      upper[r1 + j] = s1 / corner
      upper[r2 + j] = s2 / corner
      upper[r3 + j] = s3 / corner
    }
  }
  return upper
}

/** The inverse of an upper triangle, row by row from below; four rows are added together, past the end the last one times zero. */
function inverseOf(upper: Float64Array, n: number): Float64Array {
  const inverse = new Float64Array(n * n)
  for (let i = n - 1; i >= 0; i--) {
    const own = inverse.subarray(i * n, (i + 1) * n)
    const scale = 1 / (upper[i * n + i] as number)
    own[i] = scale
    for (let k = i + 1; k < n; k += 4) {
      const factor = (row: number): number => (row < n ? -scale * (upper[i * n + row] as number) : 0)
      const [f0, f1, f2, f3] = [factor(k), factor(k + 1), factor(k + 2), factor(k + 3)]
      const [r0, r1, r2, r3] = [k * n, Math.min(k + 1, n - 1) * n, Math.min(k + 2, n - 1) * n, Math.min(k + 3, n - 1) * n]
      for (let c = k; c < n; c++) {
        own[c] =
          (own[c] as number) +
          f0 * (inverse[r0 + c] as number) +
          f1 * (inverse[r1 + c] as number) +
          f2 * (inverse[r2 + c] as number) +
          f3 * (inverse[r3 + c] as number)
      }
    }
  }
  return inverse
}
