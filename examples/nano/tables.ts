// Small tables of real numbers from vega-datasets, scaled to whole numbers below one hundred so that they can be printed
// legibly at 64x64. One table in ten, by CRC-32 of its name, is kept for the evaluation.
import { packageText } from './paths.js'
import { crc32 } from './random.js'

export interface Table {
  readonly id: string
  /** Two to five different whole numbers, the largest between 10 and 99. */
  readonly values: readonly number[]
}

/** True for tables that only the evaluation draws. */
export function tableHeldOut(id: string): boolean {
  return crc32(id) % 10 === 0
}

/** Scales by a power of ten and rounds; undefined when values collide, vanish or are hardly different. */
export function scaled(values: readonly number[]): number[] | undefined {
  const top = Math.max(...values)
  if (!(top > 0) || values.some((v) => !(v >= 0))) return undefined
  const factor = 10 ** (1 - Math.floor(Math.log10(top)))
  const out = values.map((v) => Math.round(v * factor))
  if (Math.max(...out) > 99 || Math.min(...out) < 1 || new Set(out).size !== out.length) return undefined
  return Math.max(...out) >= 1.25 * Math.min(...out) ? out : undefined
}

type Row = Record<string, unknown>

function rowsOf(file: string): Row[] {
  const text = packageText(`vega-datasets/data/${file}`)
  if (file.endsWith('.json')) return JSON.parse(text) as Row[]
  const [head = '', ...lines] = text.trim().split(/\r?\n/)
  const names = head.split(',')
  return lines.map((line) => Object.fromEntries(line.split(',').map((cell, i) => [names[i] ?? String(i), cell])))
}

// file | columns that name a series | value column
const sources: readonly [string, readonly string[], string][] = [
  ['barley.json', ['variety', 'year'], 'yield'],
  ['gapminder.json', ['country'], 'fertility'],
  ['gapminder.json', ['country'], 'pop'],
  ['population.json', ['year', 'sex'], 'people'],
  ['unemployment-across-industries.json', ['year', 'month'], 'rate'],
  ['unemployment-across-industries.json', ['series', 'year'], 'count'],
  ['iowa-electricity.csv', ['year'], 'net_generation'],
  ['jobs.json', ['job', 'sex'], 'count'],
  ['income.json', ['name'], 'pct'],
  ['disasters.csv', ['Entity'], 'Deaths'],
  ['stocks.csv', ['symbol'], 'price'],
  ['obesity.json', [], 'rate'],
  ['wheat.json', [], 'wheat'],
  ['cars.json', ['Origin', 'Year'], 'Horsepower'],
]

/** Every usable table, at most `cap` a source, in a fixed order. Needs the data packages. */
export function loadTables(cap = 400): Table[] {
  const out: Table[] = []
  for (const [file, keys, column] of sources) {
    const series = new Map<string, number[]>()
    for (const row of rowsOf(file)) {
      const key = keys.map((k) => String(row[k])).join('/')
      const value = Number(row[column])
      if (!Number.isFinite(value)) continue
      const list = series.get(key)
      if (list) list.push(value)
      else series.set(key, [value])
    }
    let taken = 0
    for (const [key, list] of series)
      for (let at = 0, length = 2; at + length <= list.length && taken < cap; at += length, length = 2 + ((length + 1) % 4)) {
        const values = scaled(list.slice(at, at + length))
        if (!values) continue
        out.push({ id: `${file}:${column}:${key}:${at}`, values })
        taken++
      }
  }
  return out
}
