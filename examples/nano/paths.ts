// Where the nano recipe lives on disk, and how its data packages are read. Knows nothing of what is in them.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { XComposerError } from '../../src/common/errors.js'

function findRoot(): string {
  let at = dirname(fileURLToPath(import.meta.url))
  // Compiled code stands in dist/examples/nano, sources in examples/nano: walk up to the real package root.
  while (!existsSync(join(at, 'examples', 'nano', 'package.json'))) {
    const up = dirname(at)
    if (up === at) throw new XComposerError('examples/nano/package.json not found above the data code: run it inside a checkout')
    at = up
  }
  return at
}

export const repositoryRoot = findRoot()
export const recipeRoot = join(repositoryRoot, 'recipes', 'nano')
export const workRoot = process.env.NANO_WORK ?? join(recipeRoot, 'work')
/** What makes the data: this folder, with a package.json of its own. */
export const makerRoot = join(repositoryRoot, 'examples', 'nano')
export const packagesRoot = join(makerRoot, 'node_modules')

/** Loads a module of the recipe's own package.json; the root package never depends on it. */
export const recipeRequire = createRequire(join(makerRoot, 'package.json'))

/** True when every data package is installed. */
export function packagesInstalled(): boolean {
  const { dependencies } = JSON.parse(readFileSync(join(makerRoot, 'package.json'), 'utf8')) as { dependencies: object }
  return Object.keys(dependencies).every((name) => existsSync(join(packagesRoot, name, 'package.json')))
}

/** Installs the data packages exactly as locked. @throws XComposerError when npm fails. */
export function installPackages(): void {
  if (packagesInstalled()) return
  const result = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: makerRoot, stdio: 'inherit' })
  if (result.status !== 0)
    throw new XComposerError('npm ci in examples/nano failed: the nano data needs its packages, check the network and run again')
}

/** Reads a text file of an installed data package. */
export function packageText(path: string): string {
  return readFileSync(join(packagesRoot, path), 'utf8')
}

/** Reads JSON of an installed, version-locked data package; `T` is trusted because the lock file fixes its hash. */
export function packageJson<T>(path: string): T {
  return JSON.parse(packageText(path)) as T
}

/** Writes a file whole: to a temporary name, then renamed. */
export function writeWhole(path: string, data: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true })
  const temporary = `${path}.tmp`
  writeFileSync(temporary, data)
  renameSync(temporary, path)
}
