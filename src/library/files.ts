/**
 * The image files of a folder, and what one must be to count as an image. Never leaves the folder: a symbolic link
 * counts only when it ends inside, and linked folders are not entered. Knows no labels.
 */
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { ConfinedPathError, type ConfinedPathProblem, confinedTo } from '../common/confined-path.js'
import { InputError } from '../common/errors.js'
import { checkImage } from '../image/check.js'
import { imageSize } from '../image/decode.js'
import { readImageFile } from '../image/read-file.js'
import { seemsWhole } from '../image/whole.js'

/** Those of HEIC too: such photos are left out by name instead of in silence. */
const extensions = new Set(['.png', '.jpg', '.jpeg', '.jfif', '.webp', '.gif', '.avif', '.tif', '.tiff', '.heic', '.heif'])
const mostFiles = 50_000
const deepest = 8

const PROBLEMS: Record<ConfinedPathProblem, string> = {
  'no-path': 'is not a path',
  outside: 'leads out of the folder',
  'link-outside': 'leads out of the folder',
  missing: 'is missing',
  'no-file': 'is not a file',
}

/** A file that is an image. `hash` is the sha256 of its bytes in hex. */
export interface LibraryFile {
  readonly file: string
  readonly hash: string
}

/** Image files under `root` (a real path) relative to it, by code unit order; what was passed over goes to `warnings`. */
export async function listImages(root: string, warnings: string[]): Promise<string[]> {
  const found: string[] = []
  const walk = async (dir: string, depth: number): Promise<void> => {
    const entries = await readdir(path.join(root, dir), { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (dir === '') throw error
      warnings.push(`${dir}: folder cannot be read (${error.code})`)
      return []
    })
    for (const entry of entries) {
      const file = path.join(dir, entry.name)
      if (entry.name.startsWith('.')) continue
      if (entry.isDirectory()) {
        if (depth < deepest) await walk(file, depth + 1)
        else warnings.push(`${file}: folder is nested more than ${deepest} deep; left out`)
      } else if (extensions.has(path.extname(entry.name).toLowerCase()) && (entry.isFile() || entry.isSymbolicLink())) {
        found.push(file)
      }
    }
  }
  await walk('', 0)
  found.sort((a, b) => (a < b ? -1 : 1))
  if (found.length > mostFiles) warnings.push(`folder has ${found.length} pictures; only the first ${mostFiles} are used`)
  return found.slice(0, mostFiles)
}

/**
 * A reader of the library's files, which decodes each content once: nothing that is chosen later shall fail. Of a large library
 * (`thorough` false) only what does not seem whole is decoded. It answers in a few words why a file is no usable image. What a
 * stranger put into the folder meets no decoder but those of images.
 */
export function imageReader(root: string, thorough: boolean): (relative: string) => Promise<LibraryFile | string> {
  const confined = confinedTo(root)
  const problems = new Map<string, Promise<string | undefined>>()
  return async (relative) => {
    let file: string
    try {
      file = confined(relative)
    } catch (error) {
      if (error instanceof ConfinedPathError) return PROBLEMS[error.problem]
      throw error
    }
    const reason = (message: string) => (message.startsWith(`${file}: `) ? message.slice(file.length + 2) : message)
    try {
      const bytes = await readImageFile(file)
      const hash = createHash('sha256').update(bytes).digest('hex')
      const checking = problems.get(hash) ?? problemOf(file, bytes, thorough).then((problem) => problem && reason(problem))
      problems.set(hash, checking)
      return (await checking) ?? { file, hash }
    } catch (error) {
      if (error instanceof InputError) return reason(error.message)
      throw error
    }
  }
}

async function problemOf(file: string, bytes: Uint8Array, thorough: boolean): Promise<string | undefined> {
  if (thorough || !seemsWhole(bytes, file)) return checkImage(file)
  await imageSize(bytes, { name: file })
  return undefined
}
