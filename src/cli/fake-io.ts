/** A terminal for tests: it keeps what is written and gives what is to be read. */
import { PassThrough } from 'node:stream'
import type { Io } from './io.js'

export interface FakeIo extends Io {
  /** What was written so far. */
  readonly written: { out: string; err: string }
}

/** `input` is what standard input holds; `terminal` makes the error stream one. */
export function fakeIo({ input = '', terminal = false }: { input?: string; terminal?: boolean } = {}): FakeIo {
  const written = { out: '', err: '' }
  return {
    written,
    out(text) {
      written.out += text
    },
    err(text) {
      written.err += text
    },
    readInput: async () => input,
    input: new PassThrough(),
    output: new PassThrough(),
    inputIsTerminal: false,
    outputIsTerminal: false,
    errorIsTerminal: terminal,
    signal: new AbortController().signal,
    endsItself() {},
  }
}
