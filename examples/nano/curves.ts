// Learning curves of a run's probes (probes.jsonl) as one SVG: a small chart for each task, the model's answers and, where the tower's own
// classifier was asked too, the tower's. Reads no model.
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { escapeHtml } from '../../src/common/escape-html.js'

interface Counts {
  readonly right: number
  readonly asked: number
}

interface ProbeLine {
  readonly samples: number
  readonly model?: Readonly<Record<string, Counts>>
  readonly tower?: Readonly<Record<string, Counts>>
}

interface Curve {
  readonly run: string
  readonly of: 'model' | 'tower'
  /** Samples and percent right. */
  readonly points: readonly (readonly [number, number])[]
}

const [width, height, left, top] = [230, 120, 34, 26]
const colours = ['#1f6feb', '#c2410c', '#15803d', '#9333ea']

/** One chart a task of all runs that were probed; undefined when none was. */
export function curvesSvg(runs: readonly string[]): string | undefined {
  const tasks = new Map<string, Curve[]>()
  for (const dir of runs) {
    const file = join(dir, 'probes.jsonl')
    if (!existsSync(file)) continue
    const lines = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as ProbeLine)
    for (const of of ['model', 'tower'] as const)
      for (const task of new Set(lines.flatMap((line) => Object.keys(line[of] ?? {})))) {
        const points = lines.flatMap((line): [number, number][] => {
          const counts = line[of]?.[task]
          return counts ? [[line.samples, (100 * counts.right) / counts.asked]] : []
        })
        tasks.set(task, [...(tasks.get(task) ?? []), { run: basename(dir), of, points }])
      }
  }
  if (tasks.size === 0) return undefined
  const names = [...new Set([...tasks.values()].flat().map(({ run }) => run))]
  const columns = 3
  const rows = Math.ceil(tasks.size / columns)
  const [cellWidth, cellHeight] = [width + left + 16, height + top + 30]
  const charts = [...tasks].map(([task, curves], i) => {
    const x = (i % columns) * cellWidth
    const y = Math.floor(i / columns) * cellHeight
    return `<g transform="translate(${x + left},${y + top})">${chart(task, curves, names)}</g>`
  })
  const legend = names.map((name, i) => `<tspan fill="${colours[i % colours.length]}">${escapeHtml(name)}  </tspan>`).join('')
  const whole = [columns * cellWidth, rows * cellHeight + 24]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${whole.join(' ')}" width="${whole[0]}" height="${whole[1]}" font-family="sans-serif" font-size="11" role="img" aria-label="Learning curves: percent right by samples seen">
<rect width="100%" height="100%" fill="#fff"/>
${charts.join('\n')}
<text x="${left}" y="${(whole[1] ?? 0) - 8}">${legend}<tspan fill="#555">solid: the model’s answers; dashed: the tower’s own classifier</tspan></text>
</svg>
`
}

function chart(task: string, curves: readonly Curve[], names: readonly string[]): string {
  const most = Math.max(1, ...curves.flatMap(({ points }) => points.map(([samples]) => samples)))
  const at = ([samples, percent]: readonly [number, number]) =>
    `${((width * samples) / most).toFixed(1)},${(height * (1 - percent / 100)).toFixed(1)}`
  const grid = [0, 50, 100].map((percent) => {
    const y = height * (1 - percent / 100)
    return `<path d="M0 ${y}H${width}" stroke="#ddd"/><text x="-6" y="${y + 4}" text-anchor="end" fill="#555">${percent}</text>`
  })
  const lines = curves.map(({ run, of, points }) => {
    const dashes = of === 'tower' ? ' stroke-dasharray="4 3"' : ''
    const colour = colours[names.indexOf(run) % colours.length]
    return `<polyline points="${points.map(at).join(' ')}" fill="none" stroke="${colour}" stroke-width="1.6"${dashes}/>`
  })
  const end = most >= 1e6 ? `${(most / 1e6).toFixed(1)} M` : `${Math.round(most / 1000)} k`
  return `<text y="-9" font-weight="bold" fill="#222">${escapeHtml(task)} (%)</text>${grid.join('')}${lines.join('')}<text x="${width}" y="${height + 14}" text-anchor="end" fill="#555">${end} samples</text>`
}
