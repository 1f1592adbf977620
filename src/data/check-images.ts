/**
 * The images of records, decoded before anything is computed: a cut file would otherwise end a training or a measurement in its
 * middle. It knows no records, only where each file is named.
 */
import { availableParallelism } from 'node:os'
import { checkImage, checkImageAlone } from '../image/check.js'
import { SHOWN } from './mistakes.js'

/** A use of an image file. */
export interface ImageUse {
  readonly file: string
  /** Where it is named, as errors say it: `train.json: record 7 (line 9)`. */
  readonly where: string
}

/** A file that cannot be decoded. */
export interface BadImage {
  readonly file: string
  /** Every place that names it, in the order given. */
  readonly where: readonly string[]
  /** One line that names the file and says why. */
  readonly problem: string
}

export interface CheckImagesOptions {
  /** `done` of `total` different files are decoded. */
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

/**
 * Decodes every file once, several at a time.
 * @returns those that cannot be decoded, in the order in which they are named first; empty when all can
 * @throws the signal's reason when aborted
 */
export async function checkImages(uses: readonly ImageUse[], options: CheckImagesOptions = {}): Promise<readonly BadImage[]> {
  const places = new Map<string, string[]>()
  for (const { file, where } of uses) {
    const list = places.get(file)
    if (list) list.push(where)
    else places.set(file, [where])
  }
  const files = [...places.keys()]
  const problems = new Map<string, string>()
  let next = 0
  let done = 0
  const work = async () => {
    while (next < files.length) {
      options.signal?.throwIfAborted()
      const file = files[next++] as string
      const problem = await checkImage(file)
      if (problem !== undefined) problems.set(file, problem)
      options.onProgress?.(++done, files.length)
    }
  }
  // Two more than decode at the same time, so that reading goes on meanwhile.
  await Promise.all(Array.from({ length: Math.min(files.length, availableParallelism() + 2) }, work))
  for (const file of files.filter((name) => problems.has(name)).slice(0, SHOWN)) {
    const own = await checkImageAlone(file)
    if (own === undefined) problems.delete(file)
    else problems.set(file, own)
  }
  return files.flatMap((file) => {
    const problem = problems.get(file)
    return problem === undefined ? [] : [{ file, where: places.get(file) ?? [], problem }]
  })
}

/** The first ten bad images, one line each, and how many there are beyond: for an error or a warning. */
export function badImageLines(bad: readonly BadImage[], most = SHOWN): string[] {
  const lines = bad.slice(0, most).map(({ where, problem }) => {
    const [first = '', ...more] = where
    return `${first}${more.length > 0 ? ` and ${more.length} more` : ''}: image ${problem}`
  })
  return bad.length > most ? [...lines, `and ${bad.length - most} more images that cannot be decoded`] : lines
}
