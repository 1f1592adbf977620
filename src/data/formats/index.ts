/** The formats of training records, one line each, and which of them a record has. */
import { InputError } from '../../common/errors.js'
import { isRecord } from '../../common/json.js'
import type { RawRecord, RecordFormat } from './format.js'
import { llava } from './llava.js'
import { messages } from './messages.js'
import { refuseOtherForm } from './other-forms.js'
import { xcomposer } from './xcomposer.js'

/** In the order in which they are tried. */
export const FORMATS: readonly RecordFormat[] = [messages, llava, xcomposer]

/** What a recipe may write as `format`; `auto` finds out. */
export const FORMAT_NAMES: readonly string[] = ['auto', ...FORMATS.map(({ name }) => name)]

/**
 * How records of a file are read: each in the format that it shows. One that shows none, as it has no image, is of the format of the
 * file's first record that does, else `xcomposer`, which differs from LLaVA's only in how images are spelled.
 * @param name a format for all of them, or `auto`
 * @throws InputError for a name that no format has
 */
export function recordReader(records: readonly unknown[], name = 'auto'): RecordFormat['read'] {
  const named = FORMATS.find((format) => format.name === name)
  if (!named && name !== 'auto') throw new InputError(`format: expected ${FORMAT_NAMES.join(', ')}, got "${name}"`)
  const first = named ? undefined : records.find((record) => isRecord(record) && recognised(record))
  const usual = named ?? (first === undefined ? undefined : recognised(first as RawRecord)) ?? xcomposer
  return (record) => {
    const own = recognised(record)
    refuseOtherForm(record, own !== undefined)
    return (named ?? own ?? usual).read(record)
  }
}

function recognised(record: RawRecord): RecordFormat | undefined {
  return FORMATS.find((format) => {
    try {
      return format.recognises(record)
    } catch (error) {
      // A broken record shows no format; reading says what is wrong with it.
      if (error instanceof InputError) return false
      throw error
    }
  })
}
