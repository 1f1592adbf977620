/**
 * Ends a stream of text where one of several strings begins: what may still become one of them is held back. Stop ids end an answer
 * by tokens; this ends it by what the tokens spell.
 */
import { InputError } from '../common/errors.js'

const MAX_STOP_STRINGS = 16
const MAX_STOP_LENGTH = 256

/** Watches one answer. */
export class StopStrings {
  private held = ''
  private done = false

  /** @throws InputError for more than 16 strings, or one that is empty or longer than 256 characters */
  constructor(private readonly stops: readonly string[]) {
    if (stops.length > MAX_STOP_STRINGS)
      throw new InputError(`stop: got ${stops.length} strings, expected at most ${MAX_STOP_STRINGS}`)
    const bad = stops.find((s) => s === '' || s.length > MAX_STOP_LENGTH)
    if (bad !== undefined)
      throw new InputError(`stop: got a string of ${bad.length} characters, expected 1 to ${MAX_STOP_LENGTH}`)
  }

  /** Whether one of the strings came; nothing is given out after it. */
  get stopped(): boolean {
    return this.done
  }

  /** Takes the next piece and gives what is certainly before any stop string. */
  push(piece: string): string {
    if (this.done) return ''
    const text = this.held + piece
    const at = firstMatch(text, this.stops)
    if (at !== undefined) {
      this.done = true
      this.held = ''
      return text.slice(0, at)
    }
    const keep = this.stops.reduce((most, s) => Math.max(most, beginning(text, s)), 0)
    this.held = text.slice(text.length - keep)
    return text.slice(0, text.length - keep)
  }

  /** What was held back when the answer ended in another way. */
  end(): string {
    const rest = this.held
    this.held = ''
    return rest
  }
}

/** Where the string begins that is complete first, and of those the longest: so the cut does not depend on the pieces. */
function firstMatch(text: string, stops: readonly string[]): number | undefined {
  const found = stops.map((s) => ({ start: text.indexOf(s), size: s.length })).filter(({ start }) => start >= 0)
  found.sort((a, b) => a.start + a.size - (b.start + b.size) || a.start - b.start)
  return found[0]?.start
}

/** How many of the last characters of `text` are the beginning of `stop`. */
function beginning(text: string, stop: string): number {
  for (let n = Math.min(stop.length - 1, text.length); n > 0; n--) if (text.endsWith(stop.slice(0, n))) return n
  return 0
}
