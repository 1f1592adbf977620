/** Where the package lies and what it is called. The compiled file is dist/src/cli/package.js, the source src/cli/package.ts. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The directory that holds package.json. */
export const packageRoot = findRoot(dirname(fileURLToPath(import.meta.url)))

function findRoot(dir: string): string {
  const parent = dirname(dir)
  return existsSync(join(dir, 'package.json')) || parent === dir ? dir : findRoot(parent)
}

/** Version in package.json. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
  return version
}
