/** A server as a process of its own: `xcomposer serve`, or another program that says on its standard output where it listens. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { XComposerError } from '../src/common/errors.js'
import { packageRoot } from '../src/common/package-root.js'

/** A running server; `end` stops it. */
export class ServerProcess {
  private constructor(
    private readonly child: ChildProcess,
    /** `http://127.0.0.1:PORT`. */
    readonly url: string,
  ) {}

  /** Runs a script with this Node and waits for its line `listening on URL`. @throws XComposerError with its last words where it ends first */
  static async start(script: string, args: readonly string[] = []): Promise<ServerProcess> {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    const words: string[] = []
    createInterface({ input: child.stderr }).on('line', (line) => {
      words.push(line)
      if (words.length > 20) words.shift()
    })
    for await (const line of createInterface({ input: child.stdout })) {
      const url = /^listening on (http:\S+)$/.exec(line)?.[1]
      if (url) return new ServerProcess(child, url)
    }
    throw new XComposerError(`${script}: ended before it listened: ${words.at(-1) ?? 'silent'}`)
  }

  /** The command of this package, on any free port. */
  static serve(model: string, threads: number, slots: number): Promise<ServerProcess> {
    const args = ['serve', '--model', model, '--port', '0', '--threads', `${threads}`, '--slots', `${slots}`, '--queue', '1000']
    return ServerProcess.start(join(packageRoot, 'bin', 'xcomposer.js'), args)
  }

  /** Bytes that the server and, behind it, each of its children hold, as Linux counts them; nothing elsewhere. */
  get residentBytes(): readonly number[] {
    try {
      return [this.child.pid as number, ...childrenOf(this.child.pid as number)].map(ownBytes)
    } catch {
      return []
    }
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exit = once(this.child, 'exit')
    this.child.kill('SIGTERM')
    await exit
  }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
}

/** Memory of the process's own: pages of mapped files, which the system may take back, do not count. */
function ownBytes(pid: number): number {
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return 1024 * Number(kilobytes)
}
