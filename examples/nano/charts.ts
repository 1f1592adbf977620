// Bar, pie and line charts at 64x64 with named colours, and questions that the picture answers: values are printed above
// bars in a 3x5 dot font. Tables of the evaluation are never drawn for training.
import type { Generator } from '../../src/data/drawn.js'
import type { Box } from './boxes.js'
import { cellsOf, inside } from './cells.js'
import { type Context, css, rgbImage, savePng, sheet } from './drawing.js'
import { ask, type Colour, palette, slots } from './questions.js'
import { type Random, random } from './random.js'
import { type EvalRecord, groupTurns, type Qa, writeJsonl } from './records.js'
import { asked, either } from './samples.js'
import { loadTables, type Table, tableHeldOut } from './tables.js'

const size = 64
// Rows of three dots, most significant bit left.
const digits: readonly (readonly number[])[] = [
  [7, 5, 5, 5, 7],
  [2, 6, 2, 2, 7],
  [7, 1, 7, 4, 7],
  [7, 1, 7, 1, 7],
  [5, 5, 7, 1, 1],
  [7, 4, 7, 1, 7],
  [7, 4, 7, 5, 7],
  [7, 1, 1, 2, 2],
  [7, 5, 7, 5, 7],
  [7, 5, 7, 1, 7],
]

function printNumber(context: Context, value: number, centre: number, bottom: number, dot: number): void {
  const text = String(value)
  const width = (text.length * 4 - 1) * dot
  let x = Math.round(centre - width / 2)
  for (const character of text) {
    digits[Number(character)]?.forEach((row, y) => {
      for (let bit = 0; bit < 3; bit++) if (row & (4 >> bit)) context.fillRect(x + bit * dot, bottom - (5 - y) * dot, dot, dot)
    })
    x += 4 * dot
  }
}

const inks = palette.filter((c) => c.en !== 'white' && c.en !== 'gray')

interface Chart {
  readonly context: Context
  /** Questions of both languages in pairs: [en, zh]. */
  readonly turns: readonly [Qa, Qa][]
  /** What the picture shows, in words. */
  readonly words: { readonly en: string; readonly zh: string }
  /** Whose bar or slice stands at a pixel. */
  at(x: number, y: number): Colour | undefined
}

/** Index of the extreme value, when it is clear of the next one by a tenth of the largest. */
export function clearExtreme(values: readonly number[], largest: boolean): number | undefined {
  const sorted = [...values].sort((a, b) => (largest ? b - a : a - b))
  const [first, second] = sorted
  if (first === undefined || second === undefined || Math.abs(first - second) < Math.max(...values) * 0.1) return undefined
  return values.indexOf(first)
}

function pair(
  question: { en: readonly string[]; zh: readonly string[] },
  answer: { en: string; zh: string },
  name?: Colour,
): [Qa, Qa] {
  return [
    { q: slots(question.en[0]!, { n: name?.en ?? '' }), a: answer.en },
    { q: slots(question.zh[0]!, { n: name?.zh ?? '' }), a: answer.zh },
  ]
}
const same = (text: string) => ({ en: text, zh: text })

const listed = (colours: readonly Colour[], values: readonly number[], language: 'en' | 'zh'): string =>
  values.map((value, i) => `${colours[i]?.[language]} ${value}`).join(', ')

function paper(rng: Random): Context {
  const context = sheet(size)
  context.fillStyle = css([rng.int(235, 255), rng.int(235, 255), rng.int(235, 255)])
  context.fillRect(0, 0, size, size)
  return context
}

function barChart(table: Table, rng: Random): Chart {
  const context = paper(rng)
  const { values } = table
  const colours = rng.sample(inks, values.length)
  const step = Math.floor(62 / values.length)
  const width = Math.min(18, step - rng.int(2, 4))
  const dot = values.length <= 3 && rng.chance(0.6) ? 2 : 1
  const top = Math.max(...values)
  const room = size - 4 - (5 * dot + 3)
  const bars: Box[] = []
  context.fillStyle = css([60, 60, 60])
  context.fillRect(1, size - 3, size - 2, 1)
  values.forEach((value, i) => {
    const height = Math.max(2, Math.round((value / top) * room))
    const left = 1 + i * step + Math.floor((step - width) / 2)
    context.fillStyle = css(colours[i]!.rgb)
    context.fillRect(left, size - 3 - height, width, height)
    bars.push({ left, top: size - 3 - height, right: left + width, bottom: size - 3 })
    context.fillStyle = css([20, 20, 20])
    printNumber(context, value, left + width / 2, size - 5 - height, dot)
  })
  const turns = [pair(ask.bars, same(String(values.length))), pair(ask.chartKind, { en: 'bar chart', zh: '柱状图' })]
  const tallest = clearExtreme(values, true)
  const lowest = clearExtreme(values, false)
  if (tallest !== undefined) turns.push(pair(ask.tallest, colours[tallest]!))
  if (lowest !== undefined) turns.push(pair(ask.lowest, colours[lowest]!))
  for (const [i, value] of values.entries()) turns.push(pair(ask.barValue, same(String(value)), colours[i]!))
  const words = { en: `bar chart, ${listed(colours, values, 'en')}`, zh: `柱状图, ${listed(colours, values, 'zh')}` }
  return { context, turns, words, at: (x, y) => colours[bars.findIndex((bar) => inside(bar, x, y))] }
}

function pieChart(table: Table, rng: Random): Chart {
  const context = paper(rng)
  const { values } = table
  const colours = rng.sample(inks, values.length)
  const total = values.reduce((a, b) => a + b, 0)
  const radius = rng.int(22, 29)
  const start = rng.next() * 2 * Math.PI
  let angle = start
  const ends: number[] = []
  values.forEach((value, i) => {
    const to = angle + (2 * Math.PI * value) / total
    context.fillStyle = css(colours[i]!.rgb)
    context.beginPath()
    context.moveTo(32, 32)
    context.arc(32, 32, radius, angle, to)
    context.closePath()
    context.fill()
    angle = to
    ends.push(to - start)
  })
  const turns = [pair(ask.slices, same(String(values.length))), pair(ask.chartKind, { en: 'pie chart', zh: '饼图' })]
  const largest = clearExtreme(values, true)
  const smallest = clearExtreme(values, false)
  if (largest !== undefined) turns.push(pair(ask.largestSlice, colours[largest]!))
  if (smallest !== undefined) turns.push(pair(ask.smallestSlice, colours[smallest]!))
  const words = { en: `pie chart, ${listed(colours, values, 'en')}`, zh: `饼图, ${listed(colours, values, 'zh')}` }
  const at = (x: number, y: number) => {
    const turned = (Math.atan2(y - 32, x - 32) - start + 4 * Math.PI) % (2 * Math.PI)
    return Math.hypot(x - 32, y - 32) < radius ? colours[ends.findIndex((end) => turned < end)] : undefined
  }
  return { context, turns, words, at }
}

function lineChart(table: Table, rng: Random): Chart {
  const context = paper(rng)
  const { values } = table
  const ink = rng.pick(inks)
  context.fillStyle = css([60, 60, 60])
  context.fillRect(4, 4, 1, size - 8)
  context.fillRect(4, size - 5, size - 8, 1)
  const top = Math.max(...values)
  context.strokeStyle = css(ink.rgb)
  context.lineWidth = 2.5
  context.lineJoin = 'round'
  context.beginPath()
  values.forEach((value, i) => {
    const x = 8 + (48 * i) / (values.length - 1)
    const y = size - 8 - (value / top) * 48
    if (i === 0) context.moveTo(x, y)
    else context.lineTo(x, y)
  })
  context.stroke()
  const turns = [pair(ask.chartKind, { en: 'line chart', zh: '折线图' })]
  const first = values[0]!
  const last = values.at(-1)!
  if (Math.abs(first - last) > top * 0.2)
    turns.push(pair(ask.trend, last > first ? { en: 'up', zh: '上升' } : { en: 'down', zh: '下降' }))
  const words = { en: `line chart, ${values.join(' ')}`, zh: `折线图, ${values.join(' ')}` }
  return { context, turns, words, at: () => undefined }
}

function chart(table: Table, rng: Random): Chart {
  const kind = rng.next()
  return kind < 0.6 ? barChart(table, rng) : kind < 0.82 ? pieChart(table, rng) : lineChart(table, rng)
}

/** Charts in words, each with some of their questions. */
export function* describedCharts(
  count: number,
  rng: Random,
): Iterable<{ words: { readonly en: string; readonly zh: string }; turns: readonly Qa[] }> {
  const tables = loadTables().filter((table) => !tableHeldOut(table.id))
  console.log(`chart tables for training: ${tables.length}`)
  for (let i = 0; i < count; i++) {
    const { turns, words } = chart(rng.pick(tables), rng)
    // Each in one language only, so that no answer can be copied.
    const chosen = turns.map((both) => rng.pick(both))
    yield { words, turns: groupTurns(chosen, 3, 5, rng)[0] ?? [] }
  }
}

/** Charts of these tables, with up to six of their questions. */
export function drawnCharts(tables: readonly Table[]): Generator {
  return {
    labels: { cells: inks.map((ink) => ink.en) },
    draw(seed, number) {
      const rng = random(`charts-${seed}-${number}`)
      const { context, turns, at } = chart(rng.pick(tables), rng)
      const questions = asked(rng.sample(turns, 6).map((both) => either(both, rng)))
      return { image: rgbImage(context, size), questions, labels: { cells: cellsOf((x, y) => at(x, y)?.en) }, keepColour: true }
    },
  }
}

/** Charts of the held-out tables; asking what kind of chart it is would be too easy to count. */
export function evaluateCharts(count = 300): void {
  const rng = random('evaluate-charts')
  const tables = loadTables().filter((table) => tableHeldOut(table.id))
  const records: EvalRecord[] = []
  while (records.length < count) {
    const { context, turns } = chart(rng.pick(tables), rng)
    const asked = turns.filter(([en]) => en.q !== ask.chartKind.en[0])
    if (asked.length === 0) continue
    const i = records.length
    const turn = rng.pick(asked)[i % 2]!
    const image = `img/charts/c${i}.png`
    savePng(context, size, `eval/${image}`)
    records.push({ id: `charts${i}`, task: 'charts', images: [image], question: turn.q, answers: [turn.a], scorer: 'relaxed' })
  }
  console.log(`chart tables for evaluation: ${tables.length}`)
  writeJsonl('eval/charts.jsonl', records)
}
