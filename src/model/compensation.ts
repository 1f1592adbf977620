/**
 * Rounding that knows what the weights are multiplied with (Frantar et al., "GPTQ", arXiv 2210.17323): the error of one column is
 * made good by the columns behind it, as far as their inputs go together. What goes together is in the second moments of the inputs.
 */
import type { BlockFormat } from '../engine/index.js'
import { type Blocks, bestScale, emptyBlocks, rangeOf, roundTo, storeBlock } from './quantize-blocks.js'

/** Means of x_i x_j over what a product reads, for one span of columns after the other: [n, n] each, row major. */
export type InputMoments = readonly Float32Array[]

/** Columns of a span: rounding errors are made good within it. A wider span finds more that goes together, and costs more time. */
export const SPAN_WIDTH = 512

/** Added to the diagonal, as a share of its mean: what has hardly been seen must not decide much. */
const DAMPING = 0.01

/** Widths of the spans of `columns` columns. */
export function spanWidths(columns: number): number[] {
  const widths: number[] = []
  for (let left = columns; left > 0; left -= SPAN_WIDTH) widths.push(Math.min(SPAN_WIDTH, left))
  return widths
}

/** Rows that are rounded together, side by side in memory: what is read of `shares` then serves them all. */
const LANES = 8

/** How the inputs of one matrix weigh its columns, and how errors are passed on between these; the same for all its rows. */
export class Compensation {
  private readonly spans: readonly Span[]

  constructor(moments: InputMoments) {
    let first = 0
    this.spans = moments.map((h) => {
      const width = Math.sqrt(h.length)
      first += width
      return { first: first - width, width, shares: sharesOf(h, width), importance: Float32Array.from(dampedDiagonal(h)) }
    })
  }

  /** Rounds a row-major [out, in] matrix as quantizeBlocks does, but that later columns make good what earlier ones lost. */
  quantize(weight: Float32Array, out: number, inputs: number, format: BlockFormat): Blocks {
    const made = emptyBlocks(out, inputs, format)
    for (let row = 0; row < out; row += LANES) {
      const rows = Math.min(LANES, out - row)
      for (const span of this.spans) roundSpan(weight, inputs, row, rows, span, format, made)
    }
    return made
  }
}

interface Span {
  readonly first: number
  readonly width: number
  /** [width, width]: row j says what an error of 1 in column j asks of the columns behind it. */
  readonly shares: Float64Array
  /** How much an error of each column counts: the damped sum of the squares of its input. */
  readonly importance: Float32Array
}

/** Rounds `rows` rows from `row` on within one span. */
function roundSpan(
  weight: Float32Array,
  inputs: number,
  row: number,
  rows: number,
  { first, width, shares, importance }: Span,
  format: BlockFormat,
  made: Blocks,
): void {
  const { blockSize } = format
  const range = rangeOf(format)
  const lanes = new Float64Array(width * LANES)
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < width; j++) lanes[j * LANES + r] = weight[(row + r) * inputs + first + j] as number
  }
  const values = new Float32Array(blockSize)
  const rounded = Array.from({ length: rows }, () => new Uint8Array(blockSize))
  const scales = new Float64Array(LANES)
  const errors = new Float64Array(LANES)
  for (let start = 0; start < width; start += blockSize) {
    const length = Math.min(blockSize, width - start)
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < length; i++) values[i] = lanes[(start + i) * LANES + r] as number
      scales[r] = bestScale(values, 0, length, range, importance.subarray(start))
      rounded[r]?.fill(range.middle)
    }
    for (let i = 0; i < length; i++) {
      for (let r = 0; r < rows; r++) {
        const value = lanes[(start + i) * LANES + r] as number
        const scale = scales[r] as number
        const q = scale === 0 ? range.middle : roundTo(range, value * (1 / scale))
        ;(rounded[r] as Uint8Array)[i] = q
        errors[r] = value - (q - range.middle) * scale
      }
      passOn(lanes, shares, start + i, width, errors)
    }
    const block = (first + start) / blockSize
    const count = Math.ceil(inputs / blockSize)
    for (let r = 0; r < rows; r++)
      storeBlock(made, (row + r) * count + block, scales[r] as number, rounded[r] as Uint8Array, format)
  }
}

/** The errors of column j (value - rounded, one for each lane) move the columns behind it. Written out: it is nearly all of the time. */
function passOn(lanes: Float64Array, shares: Float64Array, j: number, width: number, errors: Float64Array): void {
  const [e0, e1, e2, e3] = [errors[0] as number, errors[1] as number, errors[2] as number, errors[3] as number]
  const [e4, e5, e6, e7] = [errors[4] as number, errors[5] as number, errors[6] as number, errors[7] as number]
  for (let k = j + 1; k < width; k++) {
    const share = shares[j * width + k] as number
    const at = k * LANES
    lanes[at] = (lanes[at] as number) - e0 * share
    lanes[at + 1] = (lanes[at + 1] as number) - e1 * share
    lanes[at + 2] = (lanes[at + 2] as number) - e2 * share
    lanes[at + 3] = (lanes[at + 3] as number) - e3 * share
    lanes[at + 4] = (lanes[at + 4] as number) - e4 * share
    lanes[at + 5] = (lanes[at + 5] as number) - e5 * share
    lanes[at + 6] = (lanes[at + 6] as number) - e6 * share
    lanes[at + 7] = (lanes[at + 7] as number) - e7 * share
  }
}

/** The moments' diagonal, damped: how much each column is multiplied with. */
function dampedDiagonal(moments: Float32Array): number[] {
  const n = Math.sqrt(moments.length)
  const diagonal = Array.from({ length: n }, (_, i) => moments[i * n + i] as number)
  const trace = diagonal.reduce((a, b) => a + b)
  // Inputs that were never seen tell nothing: each column for itself.
  const damping = trace > 0 ? (DAMPING * trace) / n : 1
  return diagonal.map((x) => x + damping)
}

/**
 * With H the damped moments and U the upper triangle of H^-1 = U^T U, an error e of column j is made good best by
 * -e U_jk / U_jj in the columns k > j, once those before j are fixed. The result holds U_jk / U_jj, [n, n].
 */
export function sharesOf(moments: Float32Array, n: number): Float64Array {
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
  return shares
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
