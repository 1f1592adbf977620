/** Making folders. Node's recursive mkdir never returns where the system answers ENOENT for every level (as under /proc). */
import { mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { InputError } from './errors.js'

/**
 * Makes a folder and those above it that are missing.
 * @param what names the option or field in the error
 * @throws InputError when one cannot be made
 */
export function makeFolders(dir: string, what: string): void {
  const missing: string[] = []
  for (let at = resolve(dir); !isFolder(at); at = dirname(at)) missing.unshift(at)
  for (const folder of missing) {
    try {
      mkdirSync(folder)
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      throw new InputError(`${what}: the folder ${folder} cannot be made (${code}); name another`, { cause })
    }
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
