/** Where the tests find golden folders: copies in the repository, and the whole set beside it where a checkout has it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/common/package-root.js'

/** Directories of one golden folder: the repository's copy, which must be there, and the whole set's. */
export function goldenFolders(folder: string): string[] {
  const copy = join(packageRoot, 'tests', 'data', 'goldens', folder)
  if (!existsSync(copy))
    throw new Error(`tests/data/goldens/${folder} is missing; a test without its data would pass by not running`)
  return [copy, ...wholeGoldens(folder)]
}

/** The directory of one folder of the whole set, where a checkout has it. */
export function wholeGoldens(folder: string): string[] {
  return [join(packageRoot, '..', 'shared', 'goldens', folder)].filter((dir) => existsSync(dir))
}
