/** This project's own question files: the share of right replies, per task and overall. */
import { readQuestions } from '../../data/questions.js'
import { report, type Score } from '../report.js'
import type { Benchmark, Measure } from './benchmark.js'

const right = ({ score, low, high, n }: Score): { readonly score: Measure } => ({ score: { value: score, low, high, n } })

export const questions: Benchmark = {
  name: 'questions',
  summary: 'questions of the form above: share of right replies (default)',
  load: readQuestions,
  score(predictions) {
    const { overall, tasks } = report(predictions)
    return { ...Object.fromEntries(Object.entries(tasks).map(([task, score]) => [task, right(score)])), overall: right(overall) }
  },
}
