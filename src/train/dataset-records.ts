/**
 * Opening the records of a training: every file is read and every image decoded once, before anything is computed. What cannot be
 * used is refused, or left out and counted. It knows nothing of tokens or sampling.
 */
import { InputError } from '../common/errors.js'
import type { TrainingRecord } from '../data/records.js'
import { readRecords } from '../data/training-records.js'
import { withUsableImages } from '../data/usable-images.js'

export interface RecordSource {
  readonly file: string
  readonly format?: string
  readonly imageFolder?: string
}

export interface OpenOptions {
  readonly skipBad?: boolean
  readonly onNotice?: (line: string) => void
  readonly signal?: AbortSignal
}

/**
 * The records of each source.
 * @throws MistakesError naming records and images that cannot be used; InputError when a source has none left
 */
export async function openRecords(
  sources: readonly RecordSource[],
  { skipBad = false, onNotice, signal }: OpenOptions,
): Promise<TrainingRecord[][]> {
  const left: string[] = []
  const missing = new Map<string, number>()
  const read = sources.map(({ file, format, imageFolder }) => {
    const onMissing = (where: string, message: string) => {
      left.push(`${file}: ${where}: ${message}`)
      missing.set(file, (missing.get(file) ?? 0) + 1)
    }
    return readRecords(file, {
      ...(format === undefined ? {} : { format }),
      ...(imageFolder === undefined ? {} : { imageFolder }),
      ...(skipBad ? { onMissing } : {}),
    })
  })
  const good = await withUsableImages(
    read.map((records, i) => ({ file: sources[i]?.file ?? '', records })),
    { skipBad, missing: left, ...(onNotice ? { onNotice } : {}), ...(signal ? { signal } : {}) },
  )
  good.forEach((records, i) => {
    const file = sources[i]?.file ?? ''
    const all = (read[i]?.length ?? 0) + (missing.get(file) ?? 0)
    if (records.length === 0)
      throw new InputError(`${file}: none of its ${all} records can be used; its images are missing or damaged`)
    if (records.length < all) onNotice?.(`${file}: ${all - records.length} of ${all} records left out for their images`)
  })
  return good
}
