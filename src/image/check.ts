/**
 * Whether image files can be decoded, found out by decoding them. What was found is remembered as long as the file stays as it
 * is, so that asking again before each use costs one look at the folder.
 */
import { stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { limited } from '../common/limited.js'
import { decodeImage } from './decode.js'
import { ImageError } from './image-error.js'

/** A JPEG is shrunk as far as it goes: its whole stream is read all the same, and damage found. */
const SMALLEST = [1, 1] as const

/** Most files remembered; 200 bytes each. */
const MAX_KNOWN = 100_000
const known = new Map<string, { readonly state: string; readonly problem: string | undefined }>()

/** All checks of the process share these places: a decode may take hundreds of megabytes. */
const turn = limited(Math.max(2, Math.min(4, availableParallelism())))

/** What is wrong with an image file, in one line that names it; undefined when it decodes. Several run at once, up to four. */
export async function checkImage(file: string): Promise<string | undefined> {
  const state = await stateOf(file)
  const before = known.get(file)
  if (state !== undefined && before?.state === state) return before.problem
  const problem = await turn(() => problemOf(file))
  if (state !== undefined) remember(file, state, problem)
  return problem
}

/**
 * What is wrong with a file that did not decode, asked again while no other is decoded: libvips keeps one text of its last errors, and files
 * that fail side by side are given each other's.
 */
export async function checkImageAlone(file: string): Promise<string | undefined> {
  const problem = await problemOf(file)
  const state = await stateOf(file)
  if (state !== undefined) remember(file, state, problem)
  return problem
}

async function problemOf(file: string): Promise<string | undefined> {
  try {
    await decodeImage(file, { wanted: SMALLEST })
    return undefined
  } catch (error) {
    if (error instanceof ImageError) return error.message
    throw error
  }
}

/** What changes when the file does; undefined when it cannot be looked at. */
async function stateOf(file: string): Promise<string | undefined> {
  try {
    const { isFile, size, mtimeMs, ctimeMs, ino } = await stat(file).then((info) => ({ ...info, isFile: info.isFile() }))
    return isFile ? `${ino} ${size} ${mtimeMs} ${ctimeMs}` : undefined
  } catch {
    return undefined
  }
}

function remember(file: string, state: string, problem: string | undefined): void {
  known.delete(file)
  known.set(file, { state, problem })
  if (known.size > MAX_KNOWN) known.delete(known.keys().next().value as string)
}
