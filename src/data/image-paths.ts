/**
 * Images as records name them: `image` or `images`, a path, a list, `null` or `""`, and the file that a path means. A file that is
 * missing is told apart from a path that is not allowed: the one may be passed over, the other never.
 */
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfinedPathError, confinedTo } from '../common/confined-path.js'
import { InputError } from '../common/errors.js'
import { describe } from '../common/json.js'

/** An image of a record that names no file, or none that can be read. */
export class MissingImageError extends InputError {}

/** Gives the real path of a file. @throws MissingImageError, or InputError when the path is not allowed */
export type ImageFile = (path: string) => string

/** The paths that a record names; none for `null`, `""`, `[]` or neither field. @throws InputError naming the field */
export function imagePaths(record: Readonly<Record<string, unknown>>): string[] {
  const given = (['image', 'images'] as const).filter((field) => !isNothing(record[field]))
  if (given.length === 2) throw new InputError('image and images are both there, expected one of them')
  const [field] = given
  if (field === undefined) return []
  const value = record[field]
  const list = Array.isArray(value) ? (value as unknown[]) : [value]
  return list.map((path, i) => imagePath(path, list === value ? `${field}[${i}]` : field))
}

/** One path. @throws InputError when it is something else: an address, bytes, nothing */
export function imagePath(value: unknown, field: string): string {
  if (typeof value === 'string' && value.trim() !== '') {
    if (value.startsWith('data:'))
      throw new InputError(`${field}: a data: address is not taken; save the image as a file and name it`)
    if (/^[a-z][a-z\d+.-]+:\/\//i.test(value) && !value.startsWith('file:'))
      throw new InputError(`${field}: ${describe(value)} is an address; download the image and name the file`)
    return value
  }
  if (typeof value === 'object' && value !== null && 'bytes' in value)
    throw new InputError(`${field}: image bytes inside the record (Hugging Face datasets) are not taken; save them as files`)
  throw new InputError(`${field}: expected a path, got ${describe(value)}`)
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}

/**
 * The images that a data file may name: paths are relative to `folder`, by default the file's own folder, and stay inside it.
 * Absolute paths may also lie in the data file's folder.
 * @param option names `folder` in an error
 * @throws InputError when `folder` is none
 */
export function imagesOf(file: string, folder: string | undefined, option: string): ImageFile {
  if (folder !== undefined && !statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new InputError(`${option}: no folder "${folder}"; name the one that the images of ${file} are relative to`)
  const confined = confinedTo(folder ?? dirname(file), folder === undefined ? [] : [dirname(file)])
  // Many records may name one image.
  const known = new Map<string, string>()
  return (path) => {
    let found = known.get(path)
    if (found === undefined) {
      found = resolved(confined, path, option)
      known.set(path, found)
    }
    return found
  }
}

function resolved(confined: ImageFile, path: string, option: string): string {
  try {
    return confined(path)
  } catch (error) {
    if (!(error instanceof ConfinedPathError)) throw error
    const elsewhere = error.problem === 'outside' ? `, or name the folder of the images with ${option}` : ''
    const message = `image ${error.message}${elsewhere}`
    throw error.problem === 'missing' || error.problem === 'no-file' ? new MissingImageError(message) : new InputError(message)
  }
}
