/**
 * Paths that come from data (records, question files, library.json) and may only name files below a folder that the user
 * gave. Links are followed before the check, so that a link out of the folder is refused like `..` out of it.
 */
import { realpathSync, statSync } from 'node:fs'
import { isAbsolute, relative, resolve, sep } from 'node:path'
import { InputError } from './errors.js'

export type ConfinedPathProblem = 'no-path' | 'outside' | 'link-outside' | 'missing' | 'no-file'

/** A path that data may not name, or that names nothing. The message starts with the quoted path. */
export class ConfinedPathError extends InputError {
  constructor(
    readonly problem: ConfinedPathProblem,
    message: string,
  ) {
    super(message)
  }
}

/** Resolves a path from data to the real path of a regular file. @throws ConfinedPathError */
export type ConfinedFile = (path: string) => string

/**
 * Files below `root`, to which relative paths are relative. An absolute path, or the end of a link, must lie below `root` or
 * one of `allowed`. Backslashes separate folders where no file is spelled with them: records written on Windows hold them.
 * @param root an existing folder
 * @throws InputError when `root` or a folder of `allowed` does not exist
 */
export function confinedTo(root: string, allowed: readonly string[] = []): ConfinedFile {
  const base = resolve(root)
  const folders = [base, ...allowed.map((folder) => resolve(folder))]
  const real = folders.map(realFolder)
  const inside = (path: string, of: readonly string[]) => of.some((folder) => isBelow(folder, path))
  return (path) => {
    const quoted = JSON.stringify(path.length > 300 ? `${path.slice(0, 300)}...` : path)
    if (path.trim() === '' || path.includes('\0')) throw new ConfinedPathError('no-path', `${quoted} is not a path; name a file`)
    const outside = () => {
      const places = folders.map((folder) => JSON.stringify(folder)).join(' or ')
      const windows = /^[a-z]:[\\/]/i.test(path) ? ', being a Windows path' : ''
      return new ConfinedPathError('outside', `${quoted} lies outside ${places}${windows}; use a path inside`)
    }
    if (/^[a-z]:[\\/]/i.test(path) && sep === '/') throw outside()
    const spelled = resolve(base, path)
    const full = path.includes('\\') && !exists(spelled) ? resolve(base, path.replaceAll('\\', '/')) : spelled
    if (!inside(full, folders) && !inside(full, real)) throw outside()
    let file: string
    try {
      file = realpathSync.native(full)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const why = code === 'ENOENT' ? 'not found' : `cannot be read (${code})`
      throw new ConfinedPathError('missing', `${quoted} ${why}; expected it at ${full}`)
    }
    if (!inside(file, real)) {
      throw new ConfinedPathError('link-outside', `${quoted} is a link out of ${JSON.stringify(base)}; copy the file into it`)
    }
    if (!statSync(file).isFile()) {
      throw new ConfinedPathError('no-file', `${quoted} is not a regular file; expected one at ${full}`)
    }
    return file
  }
}

function realFolder(folder: string): string {
  try {
    return realpathSync.native(folder)
  } catch (error) {
    throw new InputError(`${folder}: expected a folder, it cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

/** Both absolute. A name may start with two dots: `..a` is inside. */
function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}
