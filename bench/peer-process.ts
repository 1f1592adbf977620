/**
 * A peer: a program in bench/peer, in Python or of Node, that stays alive beside us, idle on its standard input, and answers each request
 * line with one line of JSON. So both sides stay warm and never run at the same time. It does not know what is measured.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { InputError, XComposerError } from '../src/common/errors.js'

/** How long a peer may take for one answer, loading included. */
const ANSWER_MS = 600_000

/** Path of a file of bench/peer, from the sources or from dist/. */
export function peerScript(name: string): string {
  const places = ['peer/', '../../bench/peer/'].map((at) => fileURLToPath(new URL(`${at}${name}`, import.meta.url)))
  const found = places.find((p) => existsSync(p))
  if (!found) throw new XComposerError(`bench/peer/${name} is missing: run the benchmark from a checkout of the repository`)
  return found
}

/** A running peer; `dispose` ends it. */
export class Peer {
  private readonly lines: AsyncIterator<string>
  private readonly errors: string[] = []
  private failure: Error | undefined

  private constructor(
    private readonly child: ChildProcess,
    private readonly label: string,
    private readonly advice: string,
  ) {
    const { stdout, stderr } = child
    if (!stdout || !stderr) throw new XComposerError(`${label}: started without pipes`)
    this.lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors.push(text)
      if (this.errors.length > 50) this.errors.shift()
    })
    child.on('error', (error) => {
      this.failure = error
    })
    // A peer that ended makes the next write fail; the answer that does not come says so better.
    child.stdin?.on('error', () => {})
  }

  /** Starts `program script ...args`. The thread count is in the environment too, which NumPy and OpenMP read at start. */
  static start(
    program: string,
    script: string,
    args: readonly string[],
    threads: number,
    advice = '--python needs a Python with torch and numpy',
  ): Peer {
    const environment = {
      ...process.env,
      PYTHONDONTWRITEBYTECODE: '1',
      OMP_NUM_THREADS: String(threads),
      MKL_NUM_THREADS: String(threads),
    }
    const child = spawn(program, [peerScript(script), ...args], { env: environment, stdio: ['pipe', 'pipe', 'pipe'] })
    return new Peer(child, `${program} bench/peer/${script}`, advice)
  }

  /** The next answer, checked. @throws InputError when the peer ended, is silent, or says something else */
  async answer<T>(schema: z.ZodType<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new InputError(`${this.label}: no answer in ${ANSWER_MS / 1000} s`)), ANSWER_MS)
    })
    try {
      const next = await Promise.race([this.lines.next(), late])
      if (next.done) throw this.ended()
      return schema.parse(JSON.parse(next.value))
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof z.ZodError)) throw error
      throw new InputError(`${this.label}: the answer is not the JSON that was expected`, { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Sends a request line and waits for its answer. */
  ask<T>(request: string, schema: z.ZodType<T>): Promise<T> {
    this.child.stdin?.write(`${request}\n`)
    return this.answer(schema)
  }

  private ended(): InputError {
    const reason = this.failure?.message ?? this.errors.join('').trim().split('\n').at(-1) ?? ''
    return new InputError(`${this.label}: ended early (${reason || 'no message'}); ${this.advice}`)
  }

  /** Ends it and waits until it is gone, and its memory with it. */
  async end(): Promise<void> {
    const gone = this.child.exitCode !== null || this.child.signalCode !== null || this.failure !== undefined
    const exit = gone ? undefined : once(this.child, 'close')
    this.dispose()
    await exit
  }

  dispose(): void {
    this.child.stdin?.end()
    this.child.kill()
  }
}
