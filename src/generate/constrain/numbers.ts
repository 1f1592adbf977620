/**
 * Numbers as JSON writes them, with bounds. Digits are limited so that different texts are different doubles: a number is read back as
 * what was checked while it was written.
 */
import type { Expression, Grammar } from './expression.js'

/** Digits before and behind the point of a number without bounds. */
const DIGITS = 15
/** The same for a number with bounds, where they do not ask for more. */
const BOUNDED_WHOLE = 9
const BOUNDED_FRACTION = 6

const ZERO = 0x30
const digit = (g: Grammar, from = 0, to = 9): Expression => g.bytes([ZERO + from, ZERO + to])

/** A number without bounds; `whole`: without fraction and exponent. */
export function anyNumber(g: Grammar, whole: boolean): Expression {
  const integer = g.sequence(
    g.optional(g.text('-')),
    g.choice(digit(g, 0, 0), g.sequence(digit(g, 1, 9), g.repeat(digit(g), 0, DIGITS - 1))),
  )
  if (whole) return integer
  const fraction = g.sequence(g.text('.'), g.repeat(digit(g), 1, DIGITS))
  // Two digits of an exponent: the number stays finite.
  const sign = g.optional(g.choice(g.text('+'), g.text('-')))
  const exponent = g.sequence(g.choice(g.text('e'), g.text('E')), sign, g.repeat(digit(g), 1, 2))
  return g.sequence(integer, g.optional(fraction), g.optional(exponent))
}

/** Bounds of a number; both count unless said otherwise. */
export interface Bounds {
  readonly low?: number
  readonly lowIsOut?: boolean
  readonly high?: number
  readonly highIsOut?: boolean
}

/**
 * A number within bounds, without an exponent; undefined where the bounds have too many digits.
 * @param whole without a fraction
 */
export function boundedNumber(g: Grammar, bounds: Bounds, whole: boolean): Expression | undefined {
  const given = [bounds.low, bounds.high].filter((bound) => bound !== undefined)
  const texts = given.map((bound) => decimal(Math.abs(bound)))
  const wholeDigits = whole ? DIGITS : Math.max(BOUNDED_WHOLE, ...texts.map(([digits]) => digits.length + 1))
  const boundFraction = Math.max(0, ...texts.map(([, digits]) => digits.length))
  if (wholeDigits > DIGITS || texts.some(([digits]) => digits.length > DIGITS)) return undefined
  // Bounds with more digits than there is room for are rounded inwards.
  const fraction = whole ? 0 : Math.min(DIGITS - wholeDigits, Math.max(BOUNDED_FRACTION, boundFraction))
  const most = 10n ** BigInt(wholeDigits + fraction) - 1n
  const low = bounds.low === undefined ? -most : scaled(bounds.low, fraction, 'up', bounds.lowIsOut)
  const high = bounds.high === undefined ? most : scaled(bounds.high, fraction, 'down', bounds.highIsOut)
  const from = low < -most ? -most : low
  const to = high > most ? most : high
  const items: Expression[] = []
  if (from < 0n) {
    const [near, far] = [to < 0n ? -to : 0n, -from]
    const negative = between(g, near, far, fraction)
    if (negative) items.push(g.sequence(g.text('-'), negative))
  }
  if (to >= 0n) {
    const positive = between(g, from > 0n ? from : 0n, to, fraction)
    if (positive) items.push(positive)
  }
  return items.length === 0 ? g.nothing : g.choice(...items)
}

/** Digits of a number >= 0 before and behind the point, without an exponent. */
function decimal(value: number): readonly [whole: string, fraction: string] {
  const [mantissa = '0', exponent = '0'] = value.toString().split('e')
  const [whole = '0', fraction = ''] = mantissa.split('.')
  const shift = Number(exponent)
  const digits = whole + fraction
  const point = whole.length + shift
  if (point <= 0) return ['0', '0'.repeat(-point) + digits]
  return [digits.padEnd(point, '0').slice(0, point), digits.slice(point)]
}

/** value * 10^places as a whole number, rounded into the bounds. */
function scaled(value: number, places: number, toward: 'up' | 'down', isOut = false): bigint {
  const [whole, fraction] = decimal(Math.abs(value))
  const kept = BigInt(whole + fraction.slice(0, places).padEnd(places, '0'))
  const exact = /^0*$/.test(fraction.slice(places))
  const sign = value < 0 ? -1n : 1n
  let result = sign * kept
  if (!exact && toward === 'up' && value > 0) result += 1n
  if (!exact && toward === 'down' && value < 0) result -= 1n
  if (exact && isOut) result += toward === 'up' ? 1n : -1n
  return result
}

/** Numbers from `low` to `high` (>= 0, in units of the last of `places` digits behind the point); undefined where there are none. */
function between(g: Grammar, low: bigint, high: bigint, places: number): Expression | undefined {
  const items: Expression[] = []
  const unit = 10n ** BigInt(places)
  for (let whole = 1, first = 0n, next = 10n * unit; first <= high; whole++, first = next, next *= 10n) {
    const from = low > first ? low : first
    const to = high < next - 1n ? high : next - 1n
    if (from > to) continue
    const size = whole + places
    items.push(digits(g, from.toString().padStart(size, '0'), to.toString().padStart(size, '0'), places))
  }
  return items.length === 0 ? undefined : g.choice(...items)
}

/** Digit strings between two of the same length, the last `places` of them behind the point, where zeros at the end may be left out. */
function digits(g: Grammar, low: string, high: string, places: number): Expression {
  const size = low.length
  const tight = { low: true, high: true }
  const memo = new Map<string, Expression>()
  return from(0, tight)

  function from(at: number, edge: typeof tight): Expression {
    const key = `${at} ${edge.low} ${edge.high}`
    const known = memo.get(key)
    if (known) return known
    const made = make(at, edge)
    memo.set(key, made)
    return made
  }

  function make(at: number, edge: typeof tight): Expression {
    if (at === size) return g.empty
    const least = edge.low ? Number(low[at]) : 0
    const most = edge.high ? Number(high[at]) : 9
    const items: Expression[] = []
    for (let d = least; d <= most; ) {
      const next = { low: edge.low && d === least, high: edge.high && d === most }
      // Digits inside the edges go on alike.
      const last = next.low || next.high ? d : edge.high ? most - 1 : most
      items.push(g.sequence(digit(g, d, last), from(at + 1, next)))
      d = last + 1
    }
    const more = g.choice(...items)
    const behind = at - (size - places)
    if (behind < 0) return more
    // What is left out is read as zeros.
    const mayEnd = !edge.low || /^0*$/.test(low.slice(at))
    const tail = behind === 0 ? g.sequence(g.text('.'), more) : more
    return mayEnd ? g.optional(tail) : tail
  }
}
