/** A command as a process: interrupts end it cleanly with 130, a closed pipe silently, and the exit waits for what was written. */
import { realpathSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Io, processIo } from './io.js'

/** A command that does not notice an interrupt within this time is ended. */
const PATIENCE_MS = 10_000
/** npm and a terminal may both pass on the same key press. */
const SAME_INTERRUPT_MS = 500

/** Runs `work` with this process's terminal and exits with the code it gives. */
export async function runProcess(work: (io: Io) => Promise<number>): Promise<void> {
  const interrupt = new AbortController()
  const exitNow = () => process.exit(130)
  let endsItself = false
  let interruptedAt = 0
  const onInterrupt = () => {
    if (interrupt.signal.aborted) {
      // A second interrupt means now.
      if (!endsItself || performance.now() - interruptedAt > SAME_INTERRUPT_MS) exitNow()
      return
    }
    interruptedAt = performance.now()
    interrupt.abort()
    if (!endsItself) setTimeout(exitNow, PATIENCE_MS).unref()
  }
  process.on('SIGINT', onInterrupt)
  process.on('SIGTERM', onInterrupt)
  for (const stream of [process.stdout, process.stderr]) {
    // Whoever read the results has enough of them, as with "| head".
    stream.on('error', (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' ? process.exit(0) : failed(error)))
  }
  process.on('uncaughtException', failed)
  const io = processIo(interrupt.signal, () => {
    endsItself = true
  })
  const code = await work(io)
  // An empty write comes back after everything before it, also where pipes are asynchronous.
  process.stdout.write('', () => {
    // A full disk is told of only here where the output is a file.
    const lost: (Error & { code?: string }) | null = process.stdout.errored
    if (lost && lost.code !== 'EPIPE') failed(lost)
    process.exit(interrupt.signal.aborted && code === 0 && !endsItself ? 130 : code)
  })
}

/** The last resort: one line in place of a stack. */
function failed(error: unknown): never {
  const { message = String(error), stack = '' } = error instanceof Error ? error : {}
  const text = process.env.XCOMPOSER_DEBUG === '1' ? stack : `${message.replace(/\s+/g, ' ')} (XCOMPOSER_DEBUG=1 shows where)`
  try {
    writeSync(2, `xcomposer: ${text}\n`)
  } catch {
    // There is nobody left to tell.
  }
  process.exit(1)
}

/** Whether the module of this URL is the script that node was started with, through links too. */
export function isMain(url: string): boolean {
  const script = process.argv[1]
  if (script === undefined) return false
  try {
    return realpathSync(script) === realpathSync(fileURLToPath(url))
  } catch {
    return false
  }
}
