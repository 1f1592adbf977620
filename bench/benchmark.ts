/** What every benchmark is told and what it gives back. */
import type { Report } from './samples.js'

/** What a benchmark is told. */
export interface BenchOptions {
  /** A Python with torch and numpy; without one only our side runs. */
  readonly python: string | undefined
  /** llama.cpp's llama-bench. */
  readonly llamaBench: string | undefined
  readonly threads: number
  /** Timed runs of each side. */
  readonly runs: number
  /** config.json of the shape to train. */
  readonly config: string
  /** Model directory to measure. */
  readonly model: string
  /** What to call it in results. */
  readonly modelName: string
  /** rounding: a text to predict, in place of what the model itself says. */
  readonly text: string | undefined
  /** quantize: leave the calibrated way out. */
  readonly plain: boolean
  /** One line of progress. */
  readonly print: (line: string) => void
}

/** What a benchmark found. */
export interface BenchResult {
  readonly report: Report
  /** More numbers for the results file. */
  readonly detail: Readonly<Record<string, unknown>>
  /** An SVG of it, for the documents. */
  readonly picture?: string
}
