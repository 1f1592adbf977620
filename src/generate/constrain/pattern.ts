/**
 * Regular expressions of schemas ("pattern") as grammar: the part of the syntax that is regular. Nothing is ever matched by
 * backtracking, so no pattern is slow. What is not taken is refused by name.
 */
import { ALL, type CodePoints, codePoints, stringCharacter, without } from './characters.js'
import type { Expression, Grammar } from './expression.js'

/** A pattern that cannot be taken; the message says what in it. */
export class PatternError extends Error {}

const MAX_LENGTH = 1000
const MAX_COUNT = 1000
const MAX_DEPTH = 50

const of = (...ranges: [number, number][]): CodePoints => codePoints(ranges)
const chars = (text: string): [number, number][] =>
  [...text].map((c): [number, number] => [c.codePointAt(0) as number, c.codePointAt(0) as number])
const DIGIT = of([0x30, 0x39])
const WORD = of([0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a])
const SPACE = of([9, 13], ...chars(' \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff'), [0x2000, 0x200a])
const LINE_ENDS = of(...chars('\n\r\u2028\u2029'))
const CLASSES: Readonly<Record<string, CodePoints>> = {
  d: DIGIT,
  D: without(ALL, DIGIT),
  w: WORD,
  W: without(ALL, WORD),
  s: SPACE,
  S: without(ALL, SPACE),
}
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 }

/**
 * What stands between the quotes of a JSON string whose text the pattern matches.
 * @throws PatternError
 */
export function patternExpression(g: Grammar, pattern: string): Expression {
  if (pattern.length > MAX_LENGTH) throw new PatternError(`it has ${pattern.length} characters, expected at most ${MAX_LENGTH}`)
  try {
    new RegExp(pattern, 'u')
  } catch (error) {
    throw new PatternError((error as Error).message)
  }
  return new PatternReader(g, [...pattern]).read()
}

class PatternReader {
  private at = 0
  private depth = 0
  private readonly anything: Expression

  constructor(
    private readonly g: Grammar,
    private readonly source: readonly string[],
  ) {
    this.anything = g.repeat(stringCharacter(g, ALL), 0, Number.POSITIVE_INFINITY)
  }

  read(): Expression {
    const items: Expression[] = []
    for (;;) {
      const begins = this.take('^')
      const body = this.sequence()
      const ends = this.take('$')
      items.push(this.g.sequence(begins ? this.g.empty : this.anything, body, ends ? this.g.empty : this.anything))
      if (this.at === this.source.length) return this.g.choice(...items)
      // The syntax was checked: what is left here is another alternative, or an anchor inside.
      if (!this.take('|')) throw new PatternError(`${this.source[this.at]} stands in the middle; it is taken at the ends alone`)
    }
  }

  private choice(): Expression {
    const items = [this.sequence()]
    while (this.take('|')) items.push(this.sequence())
    return this.g.choice(...items)
  }

  private sequence(): Expression {
    const items: Expression[] = []
    for (let next = this.source[this.at]; next !== undefined && !'|)$^'.includes(next); next = this.source[this.at])
      items.push(this.counted(this.item()))
    return this.g.sequence(...items)
  }

  private counted(item: Expression): Expression {
    const next = this.source[this.at]
    let [min, max] = [1, 1]
    if (this.take('*')) [min, max] = [0, Number.POSITIVE_INFINITY]
    else if (this.take('+')) [min, max] = [1, Number.POSITIVE_INFINITY]
    else if (this.take('?')) [min, max] = [0, 1]
    else if (next === '{') {
      const end = this.source.indexOf('}', this.at)
      const [from = '', to] = this.source
        .slice(this.at + 1, end)
        .join('')
        .split(',')
      min = Number(from)
      max = to === undefined ? min : to === '' ? Number.POSITIVE_INFINITY : Number(to)
      if (min > MAX_COUNT || (max > MAX_COUNT && max !== Number.POSITIVE_INFINITY))
        throw new PatternError(`it repeats more than ${MAX_COUNT} times`)
      this.at = end + 1
    } else return item
    // Lazy or not: the texts are the same.
    this.take('?')
    return this.g.repeat(item, min, max)
  }

  private item(): Expression {
    const next = this.source[this.at++] as string
    if (next === '(') return this.group()
    if (next === '[') return this.one(this.bracket())
    if (next === '.') return this.one(without(ALL, LINE_ENDS))
    if (next === '\\') return this.one(this.escape())
    return this.one(of(...chars(next)))
  }

  private group(): Expression {
    if (this.take('?') && !this.take(':'))
      throw new PatternError(`(?${this.source[this.at]} is not taken; of groups, ( ) and (?: ) are`)
    if (++this.depth > MAX_DEPTH) throw new PatternError(`its groups are nested more than ${MAX_DEPTH} deep`)
    const body = this.choice()
    if (!this.take(')')) throw new PatternError(`${this.source[this.at]} stands in the middle; it is taken at the ends alone`)
    this.depth--
    return body
  }

  private bracket(): CodePoints {
    const negated = this.take('^')
    const found: [number, number][] = []
    const member = (): CodePoints => {
      const next = this.source[this.at++] as string
      return next === '\\' ? this.escape() : of(...chars(next))
    }
    while (!this.take(']')) {
      const first = member()
      if (this.source[this.at] === '-' && this.source[this.at + 1] !== ']') {
        this.at++
        const last = member()
        found.push([first[0]?.[0] ?? 0, last[0]?.[0] ?? -1])
      } else found.push(...first.map(([from, to]): [number, number] => [from, to]))
    }
    return negated ? without(ALL, codePoints(found)) : codePoints(found)
  }

  /** What stands behind a backslash: the code points that it means. */
  private escape(): CodePoints {
    const next = this.source[this.at++] as string
    const known = CLASSES[next]
    if (known) return known
    const control = CONTROLS[next]
    if (control !== undefined) return of([control, control])
    if (next === 'x') return this.hex(2)
    if (next === 'u') {
      if (!this.take('{')) return this.hex(4)
      const end = this.source.indexOf('}', this.at)
      const set = this.hex(end - this.at)
      this.at++
      return set
    }
    if (/[A-Za-z1-9]/.test(next)) throw new PatternError(`\\${next} is not taken`)
    return of(...chars(next))
  }

  private hex(length: number): CodePoints {
    const point = Number.parseInt(this.source.slice(this.at, this.at + length).join(''), 16)
    this.at += length
    return of([point, point])
  }

  private one(set: CodePoints): Expression {
    return stringCharacter(this.g, set)
  }

  private take(character: string): boolean {
    if (this.source[this.at] !== character) return false
    this.at++
    return true
  }
}
