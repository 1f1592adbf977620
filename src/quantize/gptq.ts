/**
 * Calibrated quantisation of a weight matrix: GPTQ (Frantar et al., arXiv 2210.17323), which rounds column by column and compensates each
 * error in the columns behind it, then QuantEase sweeps (Behdin et al., arXiv 2309.01885), coordinate descent that rounds every column
 * anew given all others. Both minimise the error of the layer's outputs by the Hessian H = X^T X of its inputs.
 */
import { allocate, type BlockFormat } from '../engine/index.js'
import type { Blocks } from '../model/block-format.js'
import { bestScale, emptyBlocks, type Range, rangeOf, roundTo, storeBlock } from './blocks.js'
import { columnFactors, dampedDiagonal, type Hessian } from './hessian.js'
import type { MatrixProduct } from './matrix-product.js'

/** QuantEase sweeps over all columns; more change little. */
const SWEEPS = 2

/** Columns that are rounded one by one before the columns behind are updated in one product (GPTQ's lazy batches). Divides all larger blocks. */
const PANEL_WIDTH = 64

/** Rows that are rounded together, interleaved in memory, so that a factor is read once for all of them. */
const LANES = 8

/** The quantiser of one matrix: what follows from its Hessian, the same for all rows. */
export class Gptq {
  private readonly spans: readonly Span[]

  constructor(
    hessian: Hessian,
    private readonly format: BlockFormat,
  ) {
    let first = 0
    this.spans = hessian.map((h) => {
      const span = spanOf(h, first, Math.min(PANEL_WIDTH, format.blockSize))
      first += span.width
      return span
    })
  }

  /** Quantises a row-major [out, in] matrix to blocks as quantizeBlocks does, by the error of its outputs instead of its weights. */
  async quantize(weight: Float32Array, out: number, inputs: number, product: MatrixProduct): Promise<Blocks> {
    const made = emptyBlocks(out, inputs, this.format)
    for (const span of this.spans) {
      const rounding = new SpanRounding(weight, out, inputs, span, this.format)
      await rounding.begin(product)
      for (let sweep = 0; sweep < SWEEPS; sweep++) await rounding.refine(product)
      rounding.store(made, inputs)
    }
    return made
  }
}

interface Span {
  readonly first: number
  readonly width: number
  readonly panels: readonly Panel[]
  /** [width]: weight of each column's squared error (ColumnFactors.remains). */
  readonly importance: Float32Array
}

/** Some columns of a span, with their parts of the factors as matrices of their own. */
interface Panel {
  readonly start: number
  readonly width: number
  /** [panel, panel] and [panel, columns behind it]: ColumnFactors.shares. */
  readonly inner: Float32Array
  readonly behind: Float32Array
  /** [span, panel]: H_jk / H_kk: how an error of 1 in column j moves the optimum of column k. */
  readonly pull: Float32Array
}

function spanOf(hessian: Float32Array, first: number, panelWidth: number): Span {
  const n = Math.sqrt(hessian.length)
  const { shares, remains } = columnFactors(hessian, n)
  const diagonal = dampedDiagonal(hessian)
  const part = (rows: number, columns: number, at: (row: number, column: number) => number): Float32Array => {
    const made = allocate('f32', rows * columns)
    for (let i = 0; i < made.length; i++) made[i] = at(Math.floor(i / columns), i % columns)
    return made
  }
  const panels: Panel[] = []
  for (let start = 0; start < n; start += panelWidth) {
    const width = Math.min(panelWidth, n - start)
    const end = start + width
    panels.push({
      start,
      width,
      inner: part(width, width, (j, k) => shares[(start + j) * n + start + k] as number),
      behind: part(width, n - end, (j, k) => shares[(start + j) * n + end + k] as number),
      pull: part(n, width, (j, k) => {
        const column = start + k
        return j === column ? 1 : (hessian[j * n + column] as number) / (diagonal[column] as number)
      }),
    })
  }
  return { first, width: n, panels, importance: Float32Array.from(remains) }
}

/** All rows of a matrix within one span, while they are rounded. */
class SpanRounding {
  private readonly range: Range
  /** [out, width]: the weights, and the whole numbers that they become. */
  private readonly weights: Float32Array
  private readonly rounded: Uint8Array
  private readonly blocks: number
  /** [out, blocks of the span]. */
  private readonly scales: Float32Array

  constructor(
    weight: Float32Array,
    private readonly out: number,
    inputs: number,
    private readonly span: Span,
    private readonly format: BlockFormat,
  ) {
    this.range = rangeOf(format)
    this.weights = columnsOf(weight, inputs, span.first, span.width)
    this.rounded = new Uint8Array(out * span.width)
    this.blocks = Math.ceil(span.width / format.blockSize)
    this.scales = new Float32Array(out * this.blocks)
  }

  /** GPTQ: chooses the scales and rounds column by column; the columns behind compensate. */
  async begin(product: MatrixProduct): Promise<void> {
    const { span, format } = this
    const free = columnsOf(this.weights, span.width, 0, span.width)
    for (const panel of span.panels) {
      if (panel.start % format.blockSize === 0) this.chooseScales(free, panel.start)
      const lost = this.roundPanel(panel, columnsOf(free, span.width, panel.start, panel.width), panel.inner)
      const end = panel.start + panel.width
      if (end < span.width) addColumns(free, span.width, end, await product.of(lost, panel.behind, panel.width), -1)
    }
  }

  /** One QuantEase sweep: rounds every column to its optimum with all others as they are. */
  async refine(product: MatrixProduct): Promise<void> {
    const { span } = this
    const off = this.errors()
    for (const panel of span.panels) {
      const { start, width } = panel
      const weights = columnsOf(this.weights, span.width, start, width)
      const before = columnsOf(off, span.width, start, width)
      addColumns(before, width, 0, weights)
      // A column's own error is in the product too, and is taken out: its best value does not depend on what it is now.
      const free = before.slice()
      addColumns(free, width, 0, await product.of(off, panel.pull, span.width), -1)
      const inner = panel.pull.subarray(start * width, (start + width) * width)
      addColumns(off, span.width, start, this.roundPanel(panel, free, inner, before))
    }
  }

  /** Puts the span's blocks in their place among those of whole rows. */
  store(made: Blocks, inputs: number): void {
    const { span, format, blocks } = this
    const { blockSize } = format
    const whole = Math.ceil(inputs / blockSize)
    const block = new Uint8Array(blockSize)
    for (let row = 0; row < this.out; row++) {
      for (let b = 0; b < blocks; b++) {
        const from = row * span.width + b * blockSize
        block.fill(this.range.middle)
        block.set(this.rounded.subarray(from, row * span.width + Math.min((b + 1) * blockSize, span.width)))
        storeBlock(made, row * whole + span.first / blockSize + b, this.scales[row * blocks + b] as number, block, format)
      }
    }
  }

  /** Scales of the block that begins at column `start`, of all rows, for the values that it has by now. */
  private chooseScales(free: Float32Array, start: number): void {
    const { width, importance } = this.span
    const length = Math.min(this.format.blockSize, width - start)
    const weighed = importance.subarray(start)
    for (let row = 0; row < this.out; row++) {
      const values = free.subarray(row * width + start, row * width + start + length)
      this.scales[row * this.blocks + start / this.format.blockSize] = bestScale(values, 0, length, this.range, weighed)
    }
  }

  /**
   * Rounds the columns of a panel one after the other.
   * @param free [out, panel]: what each column would best be; those behind a column are moved by inner * its error
   * @param before [out, panel]: restored values until now; the error of a column is then how far it goes from there, and
   *   otherwise what it lacks of `free`
   * @returns the errors, [out, panel]
   */
  private roundPanel({ start, width }: Panel, free: Float32Array, inner: Float32Array, before?: Float32Array): Float32Array {
    const { range, rounded } = this
    const block = Math.floor(start / this.format.blockSize)
    const found = allocate('f32', free.length)
    const lanes = new Float64Array(width * LANES)
    const scales = new Float64Array(LANES)
    const errors = new Float64Array(LANES)
    for (let first = 0; first < this.out; first += LANES) {
      const rows = Math.min(LANES, this.out - first)
      for (let r = 0; r < rows; r++) {
        scales[r] = this.scales[(first + r) * this.blocks + block] as number
        for (let i = 0; i < width; i++) lanes[i * LANES + r] = free[(first + r) * width + i] as number
      }
      for (let i = 0; i < width; i++) {
        for (let r = 0; r < rows; r++) {
          const value = lanes[i * LANES + r] as number
          const scale = scales[r] as number
          const q = scale === 0 ? range.middle : roundTo(range, value * (1 / scale))
          const restored = (q - range.middle) * scale
          const at = (first + r) * width + i
          rounded[(first + r) * this.span.width + start + i] = q
          errors[r] = found[at] = before ? restored - (before[at] as number) : value - restored
        }
        passOn(lanes, inner, i, width, errors)
      }
    }
    return found
  }

  /** [out, width]: restored values less the weights. */
  private errors(): Float32Array {
    const { width } = this.span
    const off = allocate('f32', this.weights.length)
    for (let row = 0; row < this.out; row++) {
      for (let column = 0; column < width; column++) {
        const at = row * width + column
        const scale = this.scales[row * this.blocks + Math.floor(column / this.format.blockSize)] as number
        off[at] = ((this.rounded[at] as number) - this.range.middle) * scale - (this.weights[at] as number)
      }
    }
    return off
  }
}

/** `count` columns from `start` on of a row-major matrix that is `width` wide. */
function columnsOf(matrix: Float32Array, width: number, start: number, count: number): Float32Array {
  const rows = matrix.length / width
  const columns = allocate('f32', rows * count)
  for (let row = 0; row < rows; row++) {
    columns.set(matrix.subarray(row * width + start, row * width + start + count), row * count)
  }
  return columns
}

/** Adds `columns` times `sign` to a row-major matrix that is `width` wide, from column `start` on. */
function addColumns(matrix: Float32Array, width: number, start: number, columns: Float32Array, sign = 1): void {
  const rows = matrix.length / width
  const count = columns.length / rows
  for (let row = 0; row < rows; row++) {
    const at = row * width + start
    for (let i = 0; i < count; i++) matrix[at + i] = (matrix[at + i] as number) + sign * (columns[row * count + i] as number)
  }
}

/** The errors of column j, one for each lane, move the columns behind it. Written out: it is nearly all of the time. */
function passOn(lanes: Float64Array, inner: Float32Array, j: number, width: number, errors: Float64Array): void {
  const [e0, e1, e2, e3] = [errors[0] as number, errors[1] as number, errors[2] as number, errors[3] as number]
  const [e4, e5, e6, e7] = [errors[4] as number, errors[5] as number, errors[6] as number, errors[7] as number]
  for (let k = j + 1; k < width; k++) {
    const share = inner[j * width + k] as number
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
