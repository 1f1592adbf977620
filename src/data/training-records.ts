/**
 * Reads and checks training records: a JSON array or JSON lines, in one of the formats of `formats/`, or plain texts `{id, text}`
 * among them. Files are outside data: every complaint names the file, the record and the field. It knows nothing of tokens or
 * sampling.
 */
import { InputError } from '../common/errors.js'
import { describe, isRecord } from '../common/json.js'
import { recordReader } from './formats/index.js'
import { gatherRecords, type OnMissing } from './gather-records.js'
import { imagesOf } from './image-paths.js'
import { readJsonRecords } from './jsonl.js'
import { Mistakes } from './mistakes.js'
import type { TrainingRecord } from './records.js'

export interface ReadOptions {
  /** Name of a format (default `auto`: found out from the records). */
  readonly format?: string
  /** What image paths are relative to (default: the file's folder). */
  readonly imageFolder?: string
  /** Records with an image that is missing are left out and told here; without it they are mistakes. */
  readonly onMissing?: OnMissing
}

/**
 * The records of one data file.
 * @throws InputError when the file cannot be read or has no records; MistakesError with the first ten records that are not as
 * the format says, or name an image that is missing or outside its folder
 */
export function readRecords(file: string, { format, imageFolder, onMissing }: ReadOptions = {}): TrainingRecord[] {
  const mistakes = new Mistakes(file)
  const read = readJsonRecords(file, mistakes)
  const readRecord = recordReader(
    read.map(({ value }) => value),
    format,
  )
  const imageFile = imagesOf(file, imageFolder, 'image_folder')
  const one = (value: unknown, where: () => string): TrainingRecord => {
    if (!isRecord(value)) throw new InputError(`expected an object, got ${describe(value)}`)
    if (Object.hasOwn(value, 'text') && !Object.hasOwn(value, 'conversations') && !Object.hasOwn(value, 'messages'))
      return { kind: 'text', text: textOf(value.text), where }
    const { conversation, images, flags } = readRecord(value)
    return { kind: 'conversation', conversation, images: images.map(imageFile), ...flags, where }
  }
  const records = gatherRecords(read, mistakes, onMissing, ({ value, where }) => one(value, where))
  if (read.length === 0) throw new InputError(`${file}: no records; expected a JSON array or JSON lines of them`)
  return records
}

function textOf(text: unknown): string {
  if (typeof text !== 'string' || text === '') throw new InputError(`text: expected a text, got ${describe(text ?? null)}`)
  return text
}
