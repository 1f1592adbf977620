/** LLaVA's records: `{id, image, conversations: [{from: "human" | "gpt", value}]}`, each image spelled `<image>`. */
import { imagePaths } from '../image-paths.js'
import type { RecordFormat } from './format.js'
import { conversationOf, spelledTurns } from './turns.js'
import { augmentFlags } from './xcomposer.js'

const PLACEHOLDER = '<image>'

export const llava: RecordFormat = {
  name: 'llava',
  recognises(record) {
    const text = JSON.stringify(record.conversations ?? null)
    return text.includes(PLACEHOLDER) && !text.includes('<ImageHere>') && imagePaths(record).length > 0
  },
  read(record) {
    const images = imagePaths(record)
    const turns = spelledTurns(record.conversations, 'conversations', 'from', 'value').map((turn) => ({
      ...turn,
      content: withoutBreaks(turn.content as string),
    }))
    const conversation = conversationOf(turns, images.length, { placeholder: PLACEHOLDER, system: record.system })
    return { conversation, images, flags: augmentFlags(record) }
  },
}

/** The line break that sets `<image>` apart from the words is no part of them: who asks the model later writes none. */
export function withoutBreaks(text: string): string {
  return text
    .trim()
    .replace(/(?<=^(?:<image>\n*)*<image>)\n+/g, '')
    .replace(/\n+(?=(?:<image>\n*)*<image>$)/g, '')
}
