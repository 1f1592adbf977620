/**
 * The terminal as a command sees it: where results and progress go, what can be read, and when the user interrupts.
 * Commands get it as a parameter, so that tests run them in process. It knows no command.
 */

import { addAbortSignal } from 'node:stream'

/** Results on `out`, progress and notices on `err`. */
export interface Io {
  out(text: string): void
  err(text: string): void
  /** Everything on standard input, as text. */
  readInput(): Promise<string>
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
  readonly inputIsTerminal: boolean
  readonly outputIsTerminal: boolean
  readonly errorIsTerminal: boolean
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal
  /** From now on an interrupt only aborts the signal: the command ends its work, however long that takes, and has the last word on the exit code. */
  endsItself(): void
}

/** The terminal of this process. */
export function processIo(signal: AbortSignal, endsItself: () => void): Io {
  const { stdin, stdout, stderr } = process
  return {
    out: (text) => stdout.write(text),
    err: (text) => stderr.write(text),
    async readInput() {
      const chunks: Buffer[] = []
      for await (const chunk of addAbortSignal(signal, stdin)) chunks.push(Buffer.from(chunk))
      return Buffer.concat(chunks).toString('utf8')
    },
    input: stdin,
    output: stdout,
    inputIsTerminal: stdin.isTTY === true,
    outputIsTerminal: stdout.isTTY === true,
    errorIsTerminal: stderr.isTTY === true,
    signal,
    endsItself,
  }
}

/**
 * A progress line on stderr: on a terminal one line that is rewritten, elsewhere a line of its own at most every `everySeconds`.
 * `end` finishes the line; the last line given is always shown.
 */
export interface ProgressLine {
  update(line: string): void
  end(): void
}

/** Progress of writing a file, in bytes. */
export function writtenLine(done: number, total: number): string {
  const size = total < 1e9 ? `${(total / 1e6).toFixed(1)} MB` : `${(total / 1e9).toFixed(2)} GB`
  return `${total > 0 ? Math.floor((100 * done) / total) : 100} % of ${size}`
}

/** See ProgressLine. `now` is for tests. */
export function progressLine(io: Io, everySeconds = 10, now: () => number = Date.now): ProgressLine {
  let shownAt = Number.NEGATIVE_INFINITY
  let waiting: string | undefined
  let width = 0
  const show = (line: string) => {
    waiting = undefined
    shownAt = now()
    io.err(io.errorIsTerminal ? `\r${line.padEnd(width)}` : `${line}\n`)
    width = line.length
  }
  return {
    update(line) {
      // A terminal is rewritten at most ten times a second, so that fast steps do not flood a slow connection.
      if (now() - shownAt >= (io.errorIsTerminal ? 100 : everySeconds * 1000)) show(line)
      else waiting = line
    },
    end() {
      if (waiting !== undefined) show(waiting)
      if (io.errorIsTerminal && width > 0) io.err('\n')
      width = 0
    },
  }
}
