/**
 * Opening the records of a training: every file is read and every image decoded once, before anything is computed. What cannot be
 * used is refused, or left out and counted. It knows nothing of tokens or sampling.
 */
import { InputError } from '../common/errors.js'
import { badImageLines, checkImages } from '../data/check-images.js'
import { MistakesError, SHOWN } from '../data/mistakes.js'
import type { TrainingRecord } from '../data/records.js'
import { readRecords } from '../data/training-records.js'

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
  const uses = read.flatMap((records, i) =>
    records.flatMap((record) => {
      if (record.kind === 'text' || record.images.length === 0) return []
      const where = `${sources[i]?.file}: ${record.where()}`
      return record.images.map((file) => ({ file, where }))
    }),
  )
  const bad = await checkImages(uses, signal ? { signal } : {})
  if (bad.length > 0 && !skipBad) {
    throw new MistakesError([
      `${bad.length} image(s) of the data cannot be used; mend them, or leave their records out with --skip-bad:`,
      ...badImageLines(bad).map((line) => `  ${line}`),
    ])
  }
  const files = new Set(bad.map(({ file }) => file))
  const good = read.map((records) => records.filter((r) => r.kind === 'text' || !r.images.some((file) => files.has(file))))
  const lines = [...left, ...badImageLines(bad, Number.POSITIVE_INFINITY)]
  for (const line of lines.slice(0, SHOWN)) onNotice?.(`left out: ${line}`)
  if (lines.length > SHOWN) onNotice?.(`left out: and ${lines.length - SHOWN} more`)
  good.forEach((records, i) => {
    const file = sources[i]?.file ?? ''
    const all = (read[i]?.length ?? 0) + (missing.get(file) ?? 0)
    if (records.length === 0)
      throw new InputError(`${file}: none of its ${all} records can be used; its images are missing or damaged`)
    if (records.length < all) onNotice?.(`${file}: ${all - records.length} of ${all} records left out for their images`)
  })
  return good
}
