/** What a result says about the model that was measured: its size and how it is stored. */
import { imageTokens } from '../src/model/image-rows.js'
import { openModel } from '../src/model/open-checkpoint.js'

export interface ModelFacts {
  readonly parameters: number
  /** Bits of a decoder weight; 32 for floats, as which they are computed. */
  readonly bits: number
  /** Weights that share a scale; null for floats. */
  readonly blockSize: number | null
  /** Positions of one picture; null without pictures. */
  readonly imageTokens: number | null
}

/** Reads headers only. */
export function modelFacts(dir: string): ModelFacts {
  const { config, specs } = openModel(dir)
  return {
    parameters: specs.reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0),
    bits: config.quantization?.bits ?? 32,
    blockSize: config.quantization?.blockSize ?? null,
    imageTokens: config.vision ? imageTokens(config) : null,
  }
}

/** "2.45 B parameters, 4 bits". */
export function factsLine({ parameters, bits }: ModelFacts): string {
  const size = parameters >= 1e9 ? `${(parameters / 1e9).toFixed(2)} B` : `${(parameters / 1e6).toFixed(2)} M`
  return `${size} parameters, ${bits === 32 ? 'float32' : `${bits} bits`}`
}
