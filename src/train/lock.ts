/** One training process for each `out`: a lock file that names the process, so that two runs do not mix their metrics and states. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { InputError } from '../common/errors.js'

interface Holder {
  readonly pid: number
  readonly host: string
  readonly started: string
}

/** Files that this process holds: after a restart another process may have its number. */
const held = new Set<string>()

/**
 * Takes the directory's lock; the lock of a process that is gone is taken over.
 * @returns what gives it back
 * @throws InputError when another process holds it
 */
export function lockDirectory(dir: string): () => void {
  const file = join(dir, 'train.lock')
  const mine: Holder = { pid: process.pid, host: hostname(), started: new Date().toISOString() }
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(file, `${JSON.stringify(mine)}\n`, { flag: 'wx' })
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const holder = readHolder(file)
      if (attempt > 0 || !isGone(file, holder)) throw new InputError(refusal(dir, file, holder))
      rmSync(file, { force: true })
    }
  }
  held.add(file)
  return () => {
    held.delete(file)
    rmSync(file, { force: true })
  }
}

function refusal(dir: string, file: string, holder: Holder | undefined): string {
  const who = holder ? `process ${holder.pid} on ${holder.host}, since ${holder.started},` : 'another process'
  return `${dir}: ${who} is training into this directory; wait for it or choose another out (if it is gone, remove ${file})`
}

function readHolder(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Holder
  } catch {
    return undefined
  }
}

/** Only of this machine's processes it can be known. */
function isGone(file: string, holder: Holder | undefined): boolean {
  if (holder?.host !== hostname() || !Number.isInteger(holder.pid)) return false
  if (holder.pid === process.pid) return !held.has(file)
  try {
    process.kill(holder.pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
