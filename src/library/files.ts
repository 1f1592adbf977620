/**
 * The image files of a folder, and what one must be to count as an image. Never leaves the folder: a symbolic link
 * counts only when it ends inside, and linked folders are not entered. Knows no labels.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import sharp from 'sharp'
import { type ConfinedFile, ConfinedPathError, type ConfinedPathProblem } from '../common/confined-path.js'
import { InputError } from '../common/errors.js'
import { sniffImage } from '../image/sniff.js'

const extensions = new Set(['.png', '.jpg', '.jpeg', '.webp', '.gif'])
const largestBytes = 64 * 1024 * 1024
const mostPixels = 120_000_000
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
export interface ImageSource {
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

/** Read and check one file of the library. Answers why not, in a few words, when it is no usable image. */
export async function readImage(confined: ConfinedFile, relative: string): Promise<ImageSource | string> {
  try {
    const file = confined(relative)
    const info = await stat(file)
    if (info.size > largestBytes) return `has ${info.size} bytes, more than ${largestBytes}`
    const bytes = await readFile(file)
    // Before any decoder: a drawing's or a page's parser shall not see what a stranger put into the folder.
    sniffImage(bytes, 'its content')
    const { width, height } = await sharp(bytes, { limitInputPixels: false }).metadata()
    if (width * height > mostPixels) return `has ${width} x ${height} pixels, more than ${mostPixels}`
    return { file, hash: createHash('sha256').update(bytes).digest('hex') }
  } catch (error) {
    if (error instanceof ConfinedPathError) return PROBLEMS[error.problem]
    if (error instanceof InputError) return error.message
    const code = (error as NodeJS.ErrnoException).code
    return code === undefined ? 'is not a readable picture' : `cannot be read (${code})`
  }
}
