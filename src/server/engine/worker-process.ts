/** A worker as its parent sees it: messages, lines that it writes, and its end, which is told once. It knows nothing of requests. */
import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { FromWorker, ToWorker } from './protocol.js'

/** Who listens to a worker. */
export interface WorkerEvents {
  onMessage(message: FromWorker): void
  /** @param how for people: `killed by SIGKILL`, `exit code 1` */
  onEnd(how: string): void
  /** A line of its standard output or error. */
  onLine(line: string): void
}

/** A running worker. */
export class WorkerProcess {
  private readonly child: ChildProcess
  private over = false
  /** Resolves when it has ended. */
  readonly ended: Promise<void>

  /** @param execArgv of Node, for a worker that runs from sources */
  constructor(events: WorkerEvents, execArgv: readonly string[] = []) {
    // This module's neighbour, compiled or not.
    const entry = fileURLToPath(new URL(`./worker${extname(import.meta.url)}`, import.meta.url))
    this.child = fork(entry, { serialization: 'advanced', execArgv: [...execArgv], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    this.child.on('message', (message) => events.onMessage(message as FromWorker))
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => events.onLine(line))
    }
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        if (this.over) return
        this.over = true
        resolve()
        events.onEnd(how)
      }
      this.child.on('exit', (code, signal) => {
        const how = signal ? `killed by ${signal}` : `exit code ${code}`
        // What it sent before its end is still to be read.
        if (this.child.connected) this.child.on('disconnect', () => end(how))
        else end(how)
      })
      this.child.on('error', (error) => {
        // A process that could not be started has no exit; one that cannot be written to will have one.
        if (this.child.pid === undefined) end(error.message)
      })
    })
  }

  get pid(): number | undefined {
    return this.child.pid
  }

  /** Sends a message; one to a worker that is ending is lost, as its work is. @throws for what cannot be cloned */
  send(message: ToWorker): void {
    if (this.child.connected) this.child.send(message, () => {})
  }

  /** Ends it now. */
  kill(): void {
    this.child.kill('SIGKILL')
  }
}
