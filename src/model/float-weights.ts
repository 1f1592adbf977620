import type { DecoderConfig } from './config.js'
import type { ParameterSpec } from './parameters.js'

/** Float weights by rows, from wherever they come. */
export interface FloatWeights {
  /** config.json's content. */
  readonly config: Readonly<Record<string, unknown>>
  readonly decoder: DecoderConfig
  readonly specs: readonly ParameterSpec[]
  /** Rows of a tensor's first axis, [count, ...]. */
  rows(spec: ParameterSpec, first: number, count: number): Float32Array
}
