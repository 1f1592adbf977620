import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { packageRoot } from '../common/package-root.js'
import { fakeIo } from './fake-io.js'
import { main } from './main.js'

const goldens = join(packageRoot, 'tests', 'data', 'goldens')
let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'verify-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

async function verify(folder: string) {
  const io = fakeIo()
  const code = await main(['verify', folder], io)
  const lines = io.written.out.trimEnd().split('\n')
  return { code, lines, last: lines.at(-1) ?? '', err: io.written.err }
}

it('every case of the committed goldens passes', async () => {
  const { code, lines, last, err } = await verify(goldens)
  expect(lines.filter((line) => line.startsWith('FAIL'))).toEqual([])
  expect(last).toMatch(/^[1-9]\d* passed, 0 failed$/)
  expect([code, err]).toEqual([0, ''])
})

it('a wrong case fails alone, other folders are still checked, unknown ones are skipped', async () => {
  cpSync(join(goldens, 'composition'), join(dir, 'composition'), { recursive: true })
  mkdirSync(join(dir, 'logits_processors'))
  writeFileSync(join(dir, 'logits_processors', 'cases.json'), '{')
  for (const name of ['scorers', 'made_up']) mkdirSync(join(dir, name))
  const { code, lines, last } = await verify(dir)
  expect(code).toBe(1)
  expect(lines.filter((line) => line.startsWith('FAIL'))).toHaveLength(1)
  expect(lines.filter((line) => line.startsWith('FAIL'))[0]).toContain('logits_processors/whole folder')
  expect(lines.filter((line) => line.startsWith('skip'))).toHaveLength(2)
  expect(last).toMatch(/^\d+ passed, 1 failed$/)
})

it('an empty golden folder is a failure, not a success', async () => {
  mkdirSync(join(dir, 'tokenizer'))
  const { code, last } = await verify(dir)
  expect([code, last]).toEqual([1, '0 passed, 1 failed'])
})
