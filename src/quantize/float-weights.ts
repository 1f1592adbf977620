/** Float weights as quantising reads them. */
import type { DecoderConfig } from '../model/config.js'
import type { ParameterSpec } from '../model/parameter-spec.js'

/** Float weights by rows, from wherever they come. */
export interface FloatWeights {
  /** config.json's content. */
  readonly config: Readonly<Record<string, unknown>>
  readonly decoder: DecoderConfig
  readonly specs: readonly ParameterSpec[]
  /** Rows of a tensor's first axis, [count, ...]. */
  rows(spec: ParameterSpec, first: number, count: number): Float32Array
}

/** Consecutive rows of a tensor. */
export interface RowPiece {
  readonly first: number
  readonly count: number
  /** [count, ...]. */
  readonly values: Float32Array
}

/** A tensor's rows from the first to the last, about `floats` values at a time, so that no more of them are in memory. */
export function* rowPieces(weights: FloatWeights, spec: ParameterSpec, floats: number): Generator<RowPiece, void, void> {
  const [rows = 1, ...row] = spec.shape
  const step = Math.max(1, Math.floor(floats / row.reduce((a, b) => a * b, 1)))
  for (let first = 0; first < rows; first += step) {
    const count = Math.min(step, rows - first)
    yield { first, count, values: weights.rows(spec, first, count) }
  }
}
