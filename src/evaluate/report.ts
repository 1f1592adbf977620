/** From predictions to scores with 95 % intervals, per task and overall, as data and as a table. It does not know how replies came. */
import { wilson } from './metrics/wilson.js'

export interface Score {
  /** Fraction of right replies, 0..1. */
  readonly score: number
  readonly n: number
  /** 95 % Wilson interval. */
  readonly low: number
  readonly high: number
}

export interface Report {
  /** Over all questions, each counting the same. */
  readonly overall: Score
  /** In the order in which the tasks first appear. */
  readonly tasks: Readonly<Record<string, Score>>
}

export interface Scored {
  readonly task: string
  readonly correct: boolean
}

/** Scores of all predictions. */
export function report(predictions: readonly Scored[]): Report {
  const byTask = new Map<string, Scored[]>()
  for (const prediction of predictions) byTask.set(prediction.task, [...(byTask.get(prediction.task) ?? []), prediction])
  return { overall: scoreOf(predictions), tasks: Object.fromEntries([...byTask].map(([task, list]) => [task, scoreOf(list)])) }
}

function scoreOf(predictions: readonly Scored[]): Score {
  const n = predictions.length
  const right = predictions.filter(({ correct }) => correct).length
  return { score: n === 0 ? 0 : right / n, n, ...wilson(right, n) }
}

/** The report as aligned text: a line per task, then the overall line. Percentages. */
export function reportTable({ overall, tasks }: Report): string {
  const percent = (value: number): string => (100 * value).toFixed(1)
  const line = (name: string, { score, n, low, high }: Score): string[] => [
    name,
    percent(score),
    `${percent(low)}-${percent(high)}`,
    String(n),
  ]
  const rows = [
    ['task', 'score %', '95 % interval', 'n'],
    ...Object.entries(tasks).map(([name, score]) => line(name, score)),
    line('overall', overall),
  ]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const aligned = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)
  return `${rows.map((row) => row.map(aligned).join('  ')).join('\n')}\n`
}
