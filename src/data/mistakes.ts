/**
 * The mistakes of one data file, collected, so that a person mends ten at a time instead of one. The first ten are kept with the
 * record they stand in; all are counted.
 */
import { InputError } from '../common/errors.js'

/** How many mistakes are shown. */
export const SHOWN = 10

/** One or more mistakes in an input, a line for each. */
export class MistakesError extends InputError {
  constructor(readonly lines: readonly string[]) {
    super(lines.join('\n'))
  }
}

/** Mistakes of a file; `stop` throws when there are any. */
export class Mistakes {
  private readonly first: { readonly where: string; readonly message: string }[] = []
  private count = 0

  /** @param file the name that errors start with */
  constructor(private readonly file: string) {}

  /** @param where `record 7 (line 9)` */
  add(where: string, message: string): void {
    this.count++
    if (this.first.length < SHOWN) this.first.push({ where, message })
  }

  /** @throws MistakesError with the first ten mistakes and their number, when there are any */
  stop(): void {
    const [only, ...others] = this.first
    if (!only) return
    if (others.length === 0) throw new MistakesError([`${this.file}: ${only.where}: ${only.message}`])
    const shown = this.count > this.first.length ? `, the first ${this.first.length}` : ''
    const lines = this.first.map(({ where, message }) => `  ${where}: ${message}`)
    throw new MistakesError([`${this.file}: ${this.count} mistakes${shown}:`, ...lines])
  }
}
