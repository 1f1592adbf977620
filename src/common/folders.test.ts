import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { InputError } from './errors.js'
import { makeFolders } from './folders.js'

it('makes what is missing, and says what cannot be made', () => {
  const root = mkdtempSync(join(tmpdir(), 'xcomposer-folders-'))
  makeFolders(join(root, 'a', 'b'), 'out')
  expect(existsSync(join(root, 'a', 'b'))).toBe(true)
  makeFolders(root, 'out')
  writeFileSync(join(root, 'file'), '')
  expect(() => makeFolders(join(root, 'file', 'x'), 'out')).toThrow(InputError)
  rmSync(root, { recursive: true })
})

it.skipIf(process.platform !== 'linux')('does not hang where nothing can be made', () => {
  expect(() => makeFolders('/proc/nowhere/at/all', 'out')).toThrow(/^out: the folder \/proc\/nowhere cannot be made/)
})
