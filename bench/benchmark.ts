/** What a benchmark is: its own options, declared as commands declare theirs, what it is told, and what it gives back. */
import { basename, isAbsolute } from 'node:path'
import type { Args, Options } from '../src/cli/command.js'
import type { Report } from './samples.js'

/** A benchmark of the table in main.ts. */
export interface Benchmark {
  /** One line for the list of all. */
  readonly summary: string
  /** Its own, beside those that main.ts gives to all. */
  readonly options: Options
  /** A line for each of them. */
  readonly help: string
  /** Options that name programs of this machine: the command that is recorded does not say where they lie. */
  readonly programs?: readonly string[]
  run(args: Args, context: BenchContext): Promise<BenchResult>
}

/** What every benchmark is told. */
export interface BenchContext {
  readonly threads: number
  /** Timed runs of each side. */
  readonly runs: number
  /** One line of progress. */
  readonly print: (line: string) => void
}

/** What a benchmark of a model directory is told. */
export interface ModelContext extends BenchContext {
  /** Model directory to measure. */
  readonly model: string
  /** What to call it in results. */
  readonly modelName: string
}

/** What a benchmark with a peer in PyTorch is told. */
export interface PeerContext {
  /** A Python with torch and numpy; without one only our side runs. */
  readonly python: string | undefined
}

/** What a benchmark found. */
export interface BenchResult {
  readonly report: Report
  /** More numbers for the results file. */
  readonly detail: Readonly<Record<string, unknown>>
  /** An SVG of it, for the documents. */
  readonly picture?: string
}

export const modelOption: Options = { model: { type: 'string', short: 'm' } }
export const MODEL_HELP = '  -m, --model DIR        model directory (default models/nano)'

/** The model that `--model` names. */
export function modelOf(args: Args): Pick<ModelContext, 'model' | 'modelName'> {
  const model = args.text('model') ?? 'models/nano'
  return { model, modelName: placeless(model) }
}

export const pythonOption: Options = { python: { type: 'string' } }
export const PYTHON_HELP = '      --python PYTHON    a Python with torch and numpy: the peer, interleaved in the same session'

/** A path without where it lies on this machine. */
export function placeless(path: string): string {
  return isAbsolute(path) ? basename(path) : path
}
