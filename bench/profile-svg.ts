/** A profile as a picture: one bar of stacked parts and a table of them, in plain SVG that reads on light and dark pages. */

/** One part of the whole. */
export interface Part {
  readonly name: string
  readonly ms: number
}

/** Told apart without colour vision too, since neighbours differ in lightness. */
const COLOURS = ['#4e79a7', '#f1ce63', '#b07aa1', '#86bcb6', '#e15759', '#79b86a']
const WIDTH = 760
const MARGIN = 20
const BAR = { top: 62, height: 44 }
const ROW = 26
/** Narrower parts have no number in the bar; the table has it. */
const LABEL_WIDTH = 64

/** "7.3 ms", "12.4 s". */
export function duration(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`
  return ms >= 100 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(ms >= 10 ? 1 : 2)} ms`
}

/** Draws parts in order. `title` and `subtitle` stand above the bar. */
export function profileSvg(title: string, subtitle: string, parts: readonly Part[]): string {
  const total = parts.reduce((sum, { ms }) => sum + ms, 0)
  const inner = WIDTH - 2 * MARGIN
  const table = BAR.top + BAR.height + 34
  const height = table + parts.length * ROW + MARGIN - 8
  const out: string[] = []
  let x = MARGIN
  parts.forEach(({ name, ms }, i) => {
    const width = (inner * ms) / total
    const colour = COLOURS[i % COLOURS.length]
    const share = (100 * ms) / total
    const y = table + i * ROW
    out.push(`<rect x="${num(x)}" y="${BAR.top}" width="${num(width)}" height="${BAR.height}" fill="${colour}"/>`)
    if (width >= LABEL_WIDTH)
      out.push(text(x + width / 2, BAR.top + BAR.height / 2 + 5, duration(ms), 'class="in" text-anchor="middle"'))
    out.push(`<rect x="${MARGIN}" y="${y - 12}" width="14" height="14" rx="2" fill="${colour}"/>`)
    out.push(text(MARGIN + 24, y, name))
    out.push(text(WIDTH - MARGIN - 90, y, duration(ms), 'text-anchor="end"'))
    out.push(text(WIDTH - MARGIN, y, `${share.toFixed(share < 10 ? 1 : 0)} %`, 'text-anchor="end"'))
    x += width
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">
<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.in { fill: #111; font-weight: 600 }
@media (prefers-color-scheme: dark) { text:not(.in) { fill: #e6edf3 } }
</style>
${text(MARGIN, 28, title, 'class="title"')}
${text(MARGIN, 50, subtitle)}
${out.join('\n')}
</svg>
`
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${num(x)}" y="${num(y)}"${attributes && ` ${attributes}`}>${escaped(content)}</text>`
}

const num = (value: number): string => String(Number(value.toFixed(2)))

function escaped(value: string): string {
  return value.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)
}
