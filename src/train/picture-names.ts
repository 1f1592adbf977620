/**
 * The classes of the vision warm-up: what the first answer about a picture says is its name, and every name in the data files is
 * a class. Knows records and labels, not graphs.
 */
import { InputError } from '../errors.js'
import type { Tokenizer } from '../text/tokenizer.js'
import type { Batch } from './batch.js'
import { readRecords } from './dataset-records.js'

/** Class numbers by name, in the order of the sorted names. @throws InputError when the files hold no answers */
export function readNames(files: readonly string[]): Map<string, number> {
  const names = new Set<string>()
  for (const file of files) {
    for (const record of readRecords(file)) {
      const answer = record.kind === 'conversation' ? record.messages[1]?.value : undefined
      if (answer) names.add(answer.trim())
    }
  }
  if (names.size < 2) throw new InputError(`${files.join(', ')}: expected pictures with at least two names, got ${names.size}`)
  return new Map([...names].sort().map((name, i) => [name, i]))
}

/** The class of each picture of a batch, -1 where its first answer is no known name. */
export function pictureClasses(batch: Batch, tokenizer: Tokenizer, names: ReadonlyMap<string, number>): Int32Array {
  const tokens = batch.imagePositions.length / Math.max(1, batch.images)
  return Int32Array.from({ length: batch.images }, (_, image) => {
    const row = Math.floor((batch.imagePositions[image * tokens] as number) / batch.length)
    const labels = batch.labels.subarray(row * batch.length, (row + 1) * batch.length)
    const start = labels.findIndex((id) => id >= 0)
    const end = labels.indexOf(tokenizer.endOfTurnId, start)
    const answer = start < 0 || end < 0 ? '' : tokenizer.decode([...labels.subarray(start, end)], { cleanUp: false })
    return names.get(answer.trim()) ?? -1
  })
}
