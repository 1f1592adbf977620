/** The benchmarks that `xcomposer eval --benchmark` knows, one line each. */
import { InputError } from '../../common/errors.js'
import type { Benchmark, Metrics } from './benchmark.js'
import { pope } from './pope.js'
import { questions } from './questions.js'

export const benchmarks: readonly Benchmark[] = [questions, pope]

/** @throws InputError for a name that no benchmark has */
export function benchmarkNamed(name: string): Benchmark {
  const found = benchmarks.find((benchmark) => benchmark.name === name)
  if (!found) throw new InputError(`--benchmark: expected ${benchmarks.map((b) => b.name).join(', ')}, got "${name}"`)
  return found
}

/** Aligned text, a line for each measure: group, metric, percent, interval, replies. */
export function metricsTable(metrics: Metrics): string {
  const percent = (value: number): string => (100 * value).toFixed(1)
  const rows = [
    ['group', 'metric', '%', '95 % interval', 'n'],
    ...Object.entries(metrics).flatMap(([group, measures]) =>
      Object.entries(measures).map(([name, { value, low, high, n }]) => [
        group,
        name,
        percent(value),
        `${percent(low)}-${percent(high)}`,
        String(n),
      ]),
    ),
  ]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => (row[column] as string).length)))
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))).join('  ')
  return `${rows.map(line).join('\n')}\n`
}
