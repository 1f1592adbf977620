/**
 * What a command is, and how its arguments are read: a table of options for `parseArgs`, then typed getters whose errors name the
 * option. It knows no command.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { InputError } from '../common/errors.js'
import { suggestion } from '../common/spelling.js'
import type { Io } from './io.js'

export type Options = NonNullable<ParseArgsConfig['options']>

/** A command of the table in main.ts. */
export interface Command {
  readonly name: string
  /** One line for `xcomposer --help`. */
  readonly summary: string
  /** What `xcomposer NAME --help` prints: usage, options, an example. */
  readonly help: string
  /** `help` itself is added to every command. */
  readonly options: Options
  /** Gives the exit code; undefined is 0. @throws XComposerError for what the user can fix */
  run(args: Args, io: Io): Promise<number | undefined>
}

/** Arguments of one call. Getters throw InputError naming the option. */
export interface Args {
  readonly positionals: readonly string[]
  flag(name: string): boolean
  text(name: string): string | undefined
  texts(name: string): readonly string[]
  wholeNumber(name: string, low: number, high: number): number | undefined
  number(name: string, low: number, high: number): number | undefined
  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined
}

/**
 * Reads the arguments of a command.
 * @param program how the command is called, for the hint in errors
 * @throws InputError for an unknown option or a value of the wrong kind
 */
export function readArgs(command: Pick<Command, 'name' | 'options'>, argv: readonly string[], program = 'xcomposer'): Args {
  const options: Options = { ...command.options, help: { type: 'boolean', short: 'h' } }
  const hint = `see ${program} ${command.name} --help`
  let parsed: { values: Record<string, unknown>; positionals: string[] }
  try {
    parsed = parseArgs({ args: withValues(argv, options), options, allowPositionals: true })
  } catch (error) {
    throw new InputError(`${command.name}: ${unknownOption(error, options) ?? firstSentence(error)}; ${hint}`)
  }
  const { values, positionals } = parsed
  const text = (name: string) => {
    const value = values[name]
    if (typeof value === 'string' && value.trim() === '') throw new InputError(`--${name}: expected a value, got an empty text`)
    return typeof value === 'string' ? value : undefined
  }
  const number = (name: string, low: number, high: number, kind = 'a number') => {
    const value = text(name)
    if (value === undefined) return undefined
    const parsedNumber = /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : Number.NaN
    if (!(parsedNumber >= low && parsedNumber <= high) || (kind !== 'a number' && !Number.isInteger(parsedNumber)))
      throw new InputError(`--${name}: expected ${kind} from ${low} to ${high}, got "${value}"`)
    return parsedNumber
  }
  return {
    positionals,
    flag: (name) => values[name] === true,
    text,
    texts: (name) => (Array.isArray(values[name]) ? (values[name] as string[]) : []),
    number,
    wholeNumber: (name, low, high) => number(name, low, high, 'a whole number'),
    oneOf(name, choices) {
      const value = text(name)
      const found = choices.find((choice) => choice === value)
      if (value !== undefined && found === undefined)
        throw new InputError(`--${name}: expected ${choices.join(' or ')}, got "${value}"`)
      return found
    },
  }
}

/** "--temperature -1" as "--temperature=-1", so that the value is judged and not taken for an option. */
function withValues(argv: readonly string[], options: Options): string[] {
  const joined: string[] = []
  let text = false
  for (const arg of argv) {
    const option = joined.at(-1)
    text ||= option === '--'
    const takesValue = option?.startsWith('--') === true && options[option.slice(2)]?.type === 'string'
    if (!text && takesValue && /^-[\d.]/.test(arg)) joined[joined.length - 1] = `${option}=${arg}`
    else joined.push(arg)
  }
  return joined
}

/** Exactly one positional argument. @throws InputError when there is none, or more */
export function onlyPositional(args: Args, command: string, what: string): string {
  const [first, ...more] = args.positionals
  const hint = `see xcomposer ${command} --help`
  if (first === undefined) throw new InputError(`${command}: expected ${what}, got nothing; ${hint}`)
  if (more.length > 0) throw new InputError(`${command}: expected only ${what}, got also "${more[0]}" (quote texts); ${hint}`)
  return first
}

/** No positional argument. @throws InputError when there is one */
export function noPositionals(args: Args, command: string): void {
  const [first] = args.positionals
  if (first !== undefined)
    throw new InputError(`${command}: expected only options, got "${first}"; see xcomposer ${command} --help`)
}

/** An unknown option with the one that was meant. */
function unknownOption(error: unknown, options: Options): string | undefined {
  const [, option, name = ''] = /^Unknown option '(--?([^']*))'/.exec(error instanceof Error ? error.message : '') ?? []
  if (option === undefined) return undefined
  const meant = suggestion(name, Object.keys(options), (found) => `--${found}`)
  return `unknown option ${option}${meant}`
}

function firstSentence(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return (message.split(/\.\s/)[0] ?? message).replace(/\s+/g, ' ')
}
