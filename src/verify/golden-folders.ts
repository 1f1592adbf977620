/** Where the tests find golden folders: copies in the repository, and the whole set beside it where a checkout has it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Existing directories of one golden folder. */
export function goldenFolders(folder: string): string[] {
  return [join(root, 'tests', 'data', 'goldens', folder), join(root, '..', 'shared', 'goldens', folder)].filter((d) =>
    existsSync(d),
  )
}
