import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
const script = pathToFileURL(join(root, 'scripts', 'setup.mjs')).href
let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'setup-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

interface Setup {
  nodeIsRecent(version: string): boolean
  missingPackage(root: string): string | undefined
  sourcesFingerprint(root: string): string
  webFingerprint(root: string): string
}
const setup = (await import(script)) as Setup

it.each([
  ['18.20.0', false],
  ['20.18.3', false],
  ['20.19.0', true],
  ['22.0.0', true],
])('Node %s is recent: %s', (version, recent) => expect(setup.nodeIsRecent(version)).toBe(recent))

const lock = (packages: object) => JSON.stringify({ packages })
function install(packages: Record<string, object>) {
  mkdirSync(join(dir, 'node_modules'), { recursive: true })
  for (const path of Object.keys(packages)) mkdirSync(join(dir, path), { recursive: true })
  writeFileSync(join(dir, 'node_modules', '.package-lock.json'), lock(packages))
}

it("finds what is not installed, in another version, or gone; other systems' packages may be absent", () => {
  writeFileSync(
    join(dir, 'package-lock.json'),
    lock({ '': {}, 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '2.0.0', optional: true } }),
  )
  expect(setup.missingPackage(dir)).toBe('node_modules/a')
  install({ 'node_modules/a': { version: '0.9.0' } })
  expect(setup.missingPackage(dir)).toBe('node_modules/a')
  install({ 'node_modules/a': { version: '1.0.0' } })
  expect(setup.missingPackage(dir)).toBeUndefined()
  rmSync(join(dir, 'node_modules', 'a'), { recursive: true })
  expect(setup.missingPackage(dir)).toBe('node_modules/a')
})

it('notices a source that is new, changed or gone, and nothing else', () => {
  mkdirSync(join(dir, 'src'))
  const prints = new Set([setup.sourcesFingerprint(dir)])
  writeFileSync(join(dir, 'src', 'a.ts'), 'a')
  prints.add(setup.sourcesFingerprint(dir))
  writeFileSync(join(dir, 'src', 'a.ts'), 'ab')
  const changed = setup.sourcesFingerprint(dir)
  prints.add(changed)
  writeFileSync(join(dir, 'src', 'a.md'), 'a')
  expect(setup.sourcesFingerprint(dir)).toBe(changed)
  expect(prints.size).toBe(3)
})

it('notices a source of the web app, of whatever kind, and not its tests', () => {
  mkdirSync(join(dir, 'web', 'src'), { recursive: true })
  const [tsc, empty] = [setup.sourcesFingerprint(dir), setup.webFingerprint(dir)]
  writeFileSync(join(dir, 'web', 'src', 'style.css'), 'a')
  const changed = setup.webFingerprint(dir)
  expect(changed).not.toBe(empty)
  writeFileSync(join(dir, 'web', 'src', 'a.test.ts'), 'a')
  expect(setup.webFingerprint(dir)).toBe(changed)
  expect(setup.sourcesFingerprint(dir)).toBe(tsc)
})

it('the command runs from another folder', () => {
  const out = execFileSync(process.execPath, [join(root, 'bin', 'xcomposer.js'), '--version'], { cwd: dir, encoding: 'utf8' })
  expect(out).toMatch(/^\d+\.\d+\.\d+\n$/)
})
