/**
 * What a benchmark is: how its published files become questions, and which numbers it makes of the replies. Asking is the same for all
 * (evaluate.ts). A new one is a file in this folder and a line in table.ts.
 */
import type { Question, QuestionOptions, ReadQuestion } from '../../data/questions.js'
import type { Prediction } from '../evaluate.js'

/** A number with its 95 % interval over `n` replies. */
export interface Measure {
  readonly value: number
  readonly low: number
  readonly high: number
  readonly n: number
}

/** Measures by group (a task, a split, `overall`), each by the name of the metric; in the order in which they are printed. */
export type Metrics = Readonly<Record<string, Readonly<Record<string, Measure>>>>

export interface Benchmark {
  readonly name: string
  /** One line for `xcomposer eval --help`: the files that it reads, what it measures. */
  readonly summary: string
  /** @param path the file or folder that the command names @throws InputError naming file, record and field of what is not as published */
  load(path: string, options: QuestionOptions): readonly ReadQuestion[]
  /** The numbers that are reported, from the asked questions' replies. */
  score(predictions: readonly Prediction[], questions: readonly Question[]): Metrics
}
