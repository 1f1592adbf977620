/** `xcomposer serve` as a process, on a free port, with a conversations file of its own. Needs dist/. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

export interface RunningServer {
  readonly port: number
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>
  /** Lets it end by itself. */
  stop(): Promise<void>
}

/** @param conversations a file */
export async function startServer(conversations: string, ...more: string[]): Promise<RunningServer> {
  if (!existsSync(join(root, 'dist', 'web', 'index.html'))) throw new Error('dist/ is not there; run: npm run build')
  const args = [join(root, 'bin', 'xcomposer.js'), 'serve', '--port', '0', '--conversations', conversations, ...more]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (data: Buffer) => {
    errors += data
  })
  const port = await new Promise<number>((resolve, reject) => {
    let out = ''
    child.stdout.on('data', (data: Buffer) => {
      out += data
      const found = /listening on http:\/\/[^\s:]+:(\d+)/.exec(out)
      if (found) resolve(Number(found[1]))
    })
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${errors}`)))
  })
  return { port, kill: () => end(child, 'SIGKILL'), stop: () => end(child, 'SIGTERM') }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}
