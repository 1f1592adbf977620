/** The forms of JSON as grammar: white space, strings, literals, arrays, objects, and any value at all. */
import { ALL, anyStringCharacter, codePoints, stringCharacter, without } from './characters.js'
import type { Expression, Grammar, Rule } from './expression.js'
import { anyNumber } from './numbers.js'

/** Most blanks behind a line end: without a limit a model can go on with them for ever. */
const MAX_INDENT = 20

/** A property of an object, in the order in which it is written. */
export interface Property {
  readonly name: string
  readonly value: Expression
  readonly required: boolean
}

/** Makes the forms for one grammar. */
export class JsonForms {
  /** Nothing, a blank, or a line end with its indentation. */
  private readonly space: Expression
  private readonly blank: Expression
  private readonly character: Expression
  private anything: Rule | undefined

  constructor(private readonly g: Grammar) {
    const indent = g.repeat(g.bytes([0x20, 0x20]), 0, MAX_INDENT)
    this.space = g.choice(g.empty, g.text(' '), g.sequence(g.text('\n'), indent))
    this.blank = g.optional(g.text(' '))
    this.character = anyStringCharacter(g)
  }

  /** A string of `min` to `max` characters. */
  string(min = 0, max = Number.POSITIVE_INFINITY): Expression {
    // Between the quotes stands nothing where max is 0, and no length at all where it is below min.
    return min > max ? this.g.nothing : this.quoted(this.g.repeat(this.character, min, max))
  }

  quoted(content: Expression): Expression {
    const quote = this.g.text('"')
    return this.g.sequence(quote, content, quote)
  }

  /** Exactly this value; the keys of objects in their order. */
  literal(value: unknown): Expression {
    const { g } = this
    if (Array.isArray(value)) return this.array(value.map((item) => this.literal(item)))
    if (typeof value === 'object' && value !== null) {
      const all = Object.entries(value).map(([name, item]) => ({ name, value: this.literal(item), required: true }))
      return this.object(all)
    }
    return g.text(JSON.stringify(value))
  }

  /** The items `first`, and behind them `min` to `max` of `rest`. */
  array(first: readonly Expression[], rest: Expression = this.g.nothing, min = 0, max = 0): Expression {
    const { g, space } = this
    const comma = g.sequence(g.text(','), space)
    const more = (count: number) => g.repeat(g.sequence(comma, rest), count, max)
    const listed = first.flatMap((item, i) => (i === 0 ? [item] : [comma, item]))
    let inside: Expression
    if (listed.length > 0) inside = g.sequence(...listed, more(min))
    else if (max === 0) inside = g.empty
    else {
      const some = g.sequence(rest, g.repeat(g.sequence(comma, rest), Math.max(0, min - 1), max - 1))
      inside = min === 0 ? g.optional(some) : some
    }
    return g.sequence(g.text('['), space, inside, space, g.text(']'))
  }

  /** Properties in their order, those that are not required or not; behind them others with `extra` values, where it is given. */
  object(properties: readonly Property[], extra?: Expression): Expression {
    const { g, space } = this
    const comma = g.sequence(g.text(','), space)
    const pair = (key: Expression, value: Expression) => g.sequence(key, g.text(':'), this.blank, value)
    const other = extra && pair(this.quoted(this.otherKey(properties.map(({ name }) => name))), extra)
    // From the end: what may come at a key, and what behind a value; whether the object may end there.
    let atKey: Expression = other ? g.sequence(other, g.repeat(g.sequence(comma, other), 0, Number.POSITIVE_INFINITY)) : g.nothing
    let mayEnd = true
    for (const { name, value, required } of [...properties].reverse()) {
      const rest = g.sequence(comma, atKey)
      const own = g.sequence(pair(g.text(JSON.stringify(name)), value), mayEnd ? g.optional(rest) : rest)
      atKey = required ? own : g.choice(own, atKey)
      mayEnd &&= !required
    }
    return g.sequence(g.text('{'), space, mayEnd ? g.optional(atKey) : atKey, space, g.text('}'))
  }

  /** Any value. */
  any(): Expression {
    if (this.anything) return this.anything
    const { g } = this
    this.anything = g.rule()
    const words = ['true', 'false', 'null'].map((word) => g.text(word))
    this.anything.body = g.choice(this.string(), anyNumber(g, false), ...words, this.anyArray(), this.anyObject())
    return this.anything
  }

  anyObject(): Expression {
    return this.object([], this.any())
  }

  anyArray(): Expression {
    return this.array([], this.any(), 0, Number.POSITIVE_INFINITY)
  }

  /** What stands between the quotes of a key that is none of `names`. */
  private otherKey(names: readonly string[]): Expression {
    const { g, character } = this
    if (names.length === 0) return g.repeat(character, 0, Number.POSITIVE_INFINITY)
    // Without escapes: each key has one spelling, and what is spelled otherwise is another key.
    const plain = without(
      ALL,
      codePoints([
        [0, 0x1f],
        [0x22, 0x22],
        [0x5c, 0x5c],
      ]),
    )
    const anything = g.repeat(stringCharacter(g, plain), 0, Number.POSITIVE_INFINITY)
    const build = (rests: readonly (readonly string[])[]): Expression => {
      const groups = new Map<string, (readonly string[])[]>()
      for (const [first, ...rest] of rests) if (first !== undefined) groups.set(first, [...(groups.get(first) ?? []), rest])
      const points = [...groups.keys()].map((c): [number, number] => [c.codePointAt(0) as number, c.codePointAt(0) as number])
      const items = [g.sequence(stringCharacter(g, without(plain, codePoints(points))), anything)]
      for (const [first, below] of groups)
        items.push(g.sequence(stringCharacter(g, codePoints(points.filter(([p]) => p === first.codePointAt(0)))), build(below)))
      return rests.some((rest) => rest.length === 0) ? g.choice(...items) : g.optional(g.choice(...items))
    }
    return build(names.map((name) => [...name]))
  }
}
