/** One walk over the records of a file, for training and measuring alike: mistakes are collected, missing images told apart. */
import { InputError } from '../common/errors.js'
import { MissingImageError } from './image-paths.js'
import type { JsonRecord } from './jsonl.js'
import type { Mistakes } from './mistakes.js'

/** Told of a record with an image that is missing, which is then left out. */
export type OnMissing = (where: string, message: string) => void

/**
 * What `read` makes of each record. A missing image goes to `onMissing` where there is one; every other InputError is a mistake.
 * @throws MistakesError with the first ten records at fault
 */
export function gatherRecords<T>(
  records: readonly JsonRecord[],
  mistakes: Mistakes,
  onMissing: OnMissing | undefined,
  read: (record: JsonRecord, index: number) => T,
): T[] {
  const made: T[] = []
  for (const [index, record] of records.entries()) {
    try {
      made.push(read(record, index))
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      if (onMissing && error instanceof MissingImageError) onMissing(record.where(), error.message)
      else mistakes.add(record.where(), error.message)
    }
  }
  mistakes.stop()
  return made
}
