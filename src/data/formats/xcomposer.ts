/** The reference's records: `{id, image: [...], conversations: [{from, value}]}`, each image spelled `<ImageHere>`. */
import { InputError } from '../../common/errors.js'
import { describe } from '../../common/json.js'
import { IMAGE_PLACEHOLDER } from '../../text/texts.js'
import { imagePaths } from '../image-paths.js'
import type { AugmentFlags } from '../records.js'
import type { RawRecord, RecordFormat } from './format.js'
import { conversationOf, spelledTurns } from './turns.js'

export const xcomposer: RecordFormat = {
  name: 'xcomposer',
  recognises: (record) =>
    imagePaths(record).length > 0 && JSON.stringify(record.conversations ?? null).includes(IMAGE_PLACEHOLDER),
  read(record) {
    const images = imagePaths(record)
    const turns = spelledTurns(record.conversations, 'conversations', 'from', 'value')
    const conversation = conversationOf(turns, images.length, { placeholder: IMAGE_PLACEHOLDER, system: record.system })
    return { conversation, images, flags: augmentFlags(record) }
  },
}

/** @throws InputError when one is there and neither true nor false */
export function augmentFlags(record: RawRecord): AugmentFlags {
  const set = (['flip', 'shift', 'keepColour'] as const).filter((name) => {
    const value = record[name] ?? false
    if (typeof value !== 'boolean') throw new InputError(`${name}: expected true or false, got ${describe(value)}`)
    return value
  })
  return Object.fromEntries(set.map((name) => [name, true]))
}
