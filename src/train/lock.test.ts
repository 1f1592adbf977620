/** The lock on a run's directory: who holds it is named, who is gone is replaced. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { lockDirectory } from './lock.js'

const dir = mkdtempSync(join(tmpdir(), 'xcomposer-lock-'))
const file = join(dir, 'train.lock')
afterAll(() => rmSync(dir, { recursive: true, force: true }))
const heldBy = (pid: number, host = hostname()) =>
  writeFileSync(file, JSON.stringify({ pid, host, started: '2026-01-02T03:04:05Z' }))

it('is held once, given back, and free again', () => {
  const release = lockDirectory(dir)
  expect(() => lockDirectory(dir)).toThrow(InputError)
  release()
  expect(existsSync(file)).toBe(false)
  lockDirectory(dir)()
})

it('names a living process, or one of another machine', () => {
  heldBy(process.ppid)
  expect(() => lockDirectory(dir)).toThrow(`process ${process.ppid} on ${hostname()}, since 2026-01-02T03:04:05Z, is training`)
  heldBy(1, 'elsewhere')
  expect(() => lockDirectory(dir)).toThrow('process 1 on elsewhere')
  writeFileSync(file, 'no json')
  expect(() => lockDirectory(dir)).toThrow('another process is training into this directory')
})

it('is taken over from a process that is gone', () => {
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  heldBy(pid)
  lockDirectory(dir)()
  // A process of an earlier boot may have had this one's number.
  heldBy(process.pid)
  lockDirectory(dir)()
})
