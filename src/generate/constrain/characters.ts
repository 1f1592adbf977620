/** Characters as bytes: sets of code points, their UTF-8, and how they are spelled inside a JSON string. */
import type { Expression, Grammar } from './expression.js'

/** Ascending ranges of code points that do not touch; both ends count. */
export type CodePoints = readonly (readonly [from: number, to: number])[]

const LAST = 0x10ffff
/** All but surrogates, which no UTF-8 spells. */
export const ALL: CodePoints = [
  [0, 0xd7ff],
  [0xe000, LAST],
]

/** Sorted and joined; surrogates and what lies beyond Unicode are left out. */
export function codePoints(ranges: readonly (readonly [number, number])[]): CodePoints {
  const joined: [number, number][] = []
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1)
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else if (from <= to) joined.push([from, to])
  }
  return joined.flatMap(([from, to]): [number, number][] =>
    ALL.map(([low, high]): [number, number] => [Math.max(from, low), Math.min(to, high)]).filter(([low, high]) => low <= high),
  )
}

/** All others. */
export function without(all: CodePoints, taken: CodePoints): CodePoints {
  const left: [number, number][] = []
  for (const [from, to] of all) {
    let at = from
    for (const [low, high] of taken) {
      if (high < at || low > to) continue
      if (low > at) left.push([at, low - 1])
      at = high + 1
    }
    if (at <= to) left.push([at, to])
  }
  return left
}

export function hasCodePoint(set: CodePoints, point: number): boolean {
  return set.some(([from, to]) => from <= point && point <= to)
}

/** Last code point of each length in UTF-8. */
const ENDS = [0x7f, 0x7ff, 0xffff, LAST]

/** The UTF-8 of one of the characters. */
export function utf8Of(g: Grammar, set: CodePoints): Expression {
  const items: Expression[] = []
  for (const [from, to] of set) {
    ENDS.forEach((end, i) => {
      const [low, high] = [Math.max(from, i === 0 ? 0 : (ENDS[i - 1] as number) + 1), Math.min(to, end)]
      if (low <= high) items.push(...byteRanges(g, encoded(low), encoded(high)))
    })
  }
  return items.length === 0 ? g.nothing : g.choice(...items)
}

const utf8 = new TextEncoder()
const encoded = (point: number): readonly number[] => [...utf8.encode(String.fromCodePoint(point))]

/** All strings of bytes between two of one length, where every byte but the first runs from 80 to BF. */
function byteRanges(g: Grammar, low: readonly number[], high: readonly number[]): Expression[] {
  const [a, b] = [low[0] as number, high[0] as number]
  if (low.length === 1) return [g.bytes([a, b])]
  const rest = (lowest: readonly number[], highest: readonly number[]) => g.choice(...byteRanges(g, lowest, highest))
  const [lows, highs] = [low.slice(1), high.slice(1)]
  const [first, last] = [lows.map(() => 0x80), lows.map(() => 0xbf)]
  if (a === b) return [g.sequence(g.bytes([a, a]), rest(lows, highs))]
  const items: Expression[] = []
  const whole = (bytes: readonly number[], of: readonly number[]) => bytes.every((byte, i) => byte === of[i])
  const from = whole(lows, first) ? a : a + 1
  const to = whole(highs, last) ? b : b - 1
  if (from > a) items.push(g.sequence(g.bytes([a, a]), rest(lows, last)))
  if (from <= to) items.push(g.sequence(g.bytes([from, to]), rest(first, last)))
  if (to < b) items.push(g.sequence(g.bytes([b, b]), rest(first, highs)))
  return items
}

const SHORT: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't' }
/** What a JSON string spells only with a backslash. */
const ESCAPED = codePoints([
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
])

/** One of the characters inside a JSON string, each spelled in the shortest way. */
export function stringCharacter(g: Grammar, set: CodePoints): Expression {
  const raw = without(set, ESCAPED)
  const items: Expression[] = raw.length > 0 ? [utf8Of(g, raw)] : []
  for (const [from, to] of ESCAPED)
    for (let point = from; point <= to; point++) {
      if (!hasCodePoint(set, point)) continue
      const short = SHORT[String.fromCodePoint(point)]
      items.push(g.text(short === undefined ? `\\u${point.toString(16).padStart(4, '0')}` : `\\${short}`))
    }
  return items.length === 0 ? g.nothing : g.choice(...items)
}

/** Any character inside a JSON string, in any spelling but that of surrogates. */
export function anyStringCharacter(g: Grammar): Expression {
  const hex = g.bytes([0x30, 0x39], [0x41, 0x46], [0x61, 0x66])
  const notD = g.bytes([0x30, 0x39], [0x41, 0x43], [0x45, 0x46], [0x61, 0x63], [0x65, 0x66])
  const low = g.bytes([0x30, 0x37])
  const unit = g.choice(g.sequence(notD, hex, hex, hex), g.sequence(g.bytes([0x44, 0x44], [0x64, 0x64]), low, hex, hex))
  const short = g.choice(...['"', '\\', '/', 'b', 'f', 'n', 'r', 't'].map((letter) => g.text(letter)))
  return g.choice(utf8Of(g, without(ALL, ESCAPED)), g.sequence(g.text('\\'), g.choice(short, g.sequence(g.text('u'), unit))))
}
