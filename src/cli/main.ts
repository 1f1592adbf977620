/**
 * `xcomposer`: the table of commands, and what happens around each: help, errors in one line, exit codes. Commands are loaded when
 * they are called, so that `--help` does not wait for the engine. The process itself (signals, pipes) is in process.ts.
 */
import { XComposerError } from '../common/errors.js'
import { suggestion } from '../common/spelling.js'
import { MistakesError } from '../data/mistakes.js'
import { type Command, readArgs } from './command.js'
import type { Io } from './io.js'
import { packageVersion } from './package.js'

/** Each command: its line in the list, and where it is. */
export const commands: Readonly<Record<string, { readonly summary: string; load(): Promise<Command> }>> = {
  chat: { summary: 'ask about pictures, once or in a dialogue', load: async () => (await import('./chat.js')).chatCommand },
  serve: {
    summary: "answer over HTTP, as OpenAI's and Anthropic's APIs do",
    load: async () => (await import('./serve.js')).serveCommand,
  },
  compose: { summary: 'write an illustrated article', load: async () => (await import('./compose.js')).composeCommand },
  train: { summary: 'train a model from a recipe', load: async () => (await import('./train.js')).trainCommand },
  eval: { summary: 'measure a model on a file of questions', load: async () => (await import('./eval.js')).evalCommand },
  inspect: {
    summary: 'count parameters, memory and arithmetic',
    load: async () => (await import('./inspect.js')).inspectCommand,
  },
  pull: { summary: 'download a model from the Hugging Face hub', load: async () => (await import('./pull.js')).pullCommand },
  init: {
    summary: 'make a model with random weights in an official shape',
    load: async () => (await import('./init.js')).initCommand,
  },
  quantize: { summary: 'store a model in 4 or 8 bits', load: async () => (await import('./quantize.js')).quantizeCommand },
  parity: {
    summary: 'find where a model parts from reference dumps',
    load: async () => (await import('./parity.js')).parityCommand,
  },
  verify: { summary: 'compare with reference data', load: async () => (await import('./verify.js')).verifyCommand },
}

const EXAMPLE = 'xcomposer chat --image cat.png "What is this?"'

/** What `xcomposer --help` prints. */
export function overview(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const list = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return `Usage: xcomposer COMMAND [options]

InternLM-XComposer2: chat about pictures, illustrated articles, training and measuring.

Commands:
${list.join('\n')}

xcomposer COMMAND --help explains a command. xcomposer --version prints the version.
Exit codes: 0 done, 1 failed, 2 wrong usage or input.

Example:
  ${EXAMPLE}
`
}

/**
 * Runs one call and gives its exit code: 0 done, 1 failure, 2 bad usage or input, 130 interrupted. Never throws; an error is one
 * line on stderr, with the stack when XCOMPOSER_DEBUG is set to 1.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = argv
  if (name === '--version' || name === '-V') {
    io.out(`${packageVersion()}\n`)
    return 0
  }
  if (name === 'help' && rest.length > 0) return main([...rest.slice(0, 1), '--help'], io)
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.out(overview())
    return 0
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!entry) {
    const names = Object.keys(commands)
    const meant = suggestion(name, names, (found) => `"${found}"`) || `; expected ${names.join(', ')}`
    const what = name.startsWith('-') ? 'a command comes first, got the option' : 'unknown command'
    io.err(`xcomposer: ${what} "${oneLine(name)}"${meant}\n`)
    return 2
  }
  return guarded(io, async () => runCommand(await entry.load(), rest, io))
}

/** Runs a command with its arguments; `--help` prints its help instead. */
export async function runCommand(command: Command, argv: readonly string[], io: Io): Promise<number> {
  const args = readArgs(command, argv)
  if (args.flag('help')) {
    io.out(command.help)
    return 0
  }
  return (await command.run(args, io)) ?? 0
}

/** Turns what `work` throws into one line, or one for each mistake of a data file, and an exit code. */
export async function guarded(io: Io, work: () => Promise<number>): Promise<number> {
  try {
    return await work()
  } catch (error) {
    if (io.signal.aborted) return 130
    const message = error instanceof Error ? error.message : String(error)
    const lines = error instanceof MistakesError ? error.lines : [message]
    const shown = lines.map((line) => `${/^ */.exec(line)?.[0]}${oneLine(line)}`)
    io.err(`xcomposer: ${shown.join('\n').trim() || 'failed without a message'}\n`)
    if (process.env.XCOMPOSER_DEBUG === '1' && error instanceof Error) io.err(`${error.stack}\n`)
    return error instanceof XComposerError ? error.exitCode : 1
  }
}

/** Messages quote outside data: line breaks and control characters in it must not reach the terminal. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim()
}
