/** Where the package lies and what comes with it: found from this file, whether it runs as source or compiled. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The directory that holds package.json. */
export const packageRoot = findRoot(dirname(fileURLToPath(import.meta.url)))

/** The model that comes with the package. */
export const packagedModel = join(packageRoot, 'models', 'nano')

function findRoot(dir: string): string {
  const parent = dirname(dir)
  return existsSync(join(dir, 'package.json')) || parent === dir ? dir : findRoot(parent)
}
