/** What a format of training records is. A new one is a file that gives a `RecordFormat` and a line in `index.ts`. */
import type { AugmentFlags, Conversation } from '../records.js'

/** A JSON object of a data file. */
export type RawRecord = Readonly<Record<string, unknown>>

export interface ReadRecord {
  readonly conversation: Conversation
  /** As the record spells them; the turns count into them. */
  readonly images: readonly string[]
  readonly flags?: AugmentFlags
}

export interface RecordFormat {
  /** What a recipe calls it. */
  readonly name: string
  /** Surely of this format; when in doubt false, and the file's other records decide. */
  recognises(record: RawRecord): boolean
  /** @throws InputError `field: what is wrong`, or one that names the form which is not taken */
  read(record: RawRecord): ReadRecord
}
