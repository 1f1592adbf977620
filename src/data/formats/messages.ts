/**
 * Records of messages, as OpenAI's files and Hugging Face's trainers have them: `{messages: [{role, content}], images: [...]}`.
 * Content is a text, with each image spelled `<image>`, or parts: `{type: "text", text}`, `{type: "image"}` (the next of `images`),
 * `{type: "image", image: PATH}` and `{type: "image_url", image_url: {url: PATH}}`.
 */
import { InputError } from '../../common/errors.js'
import { describe, isRecord } from '../../common/json.js'
import { imagePath, imagePaths } from '../image-paths.js'
import type { TurnPart } from '../records.js'
import type { RecordFormat } from './format.js'
import { withoutBreaks } from './llava.js'
import { conversationOf, type SpelledTurn } from './turns.js'
import { augmentFlags } from './xcomposer.js'

const PLACEHOLDER = '<image>'

export const messages: RecordFormat = {
  name: 'messages',
  recognises: (record) => Array.isArray(record.messages),
  read(record) {
    const { messages: list, system } = record
    if (!Array.isArray(list)) throw new InputError(`messages: expected an array of messages, got ${describe(list ?? null)}`)
    const waiting = imagePaths(record)
    const images: string[] = []
    const inParts = list.some((m: unknown) => isRecord(m) && Array.isArray(m.content) && m.content.some(isImagePart))
    const turns = list.map((message: unknown, i): SpelledTurn => {
      const field = `messages[${i}]`
      if (!isRecord(message)) throw new InputError(`${field}: expected an object with role and content, got ${describe(message)}`)
      const { role, content } = message
      if (typeof role !== 'string')
        throw new InputError(`${field}.role: expected user or assistant, got ${describe(role ?? null)}`)
      if (message.tool_calls) throw new InputError(`${field}: calls of tools are not taken; leave the record out`)
      if (typeof content === 'string') return { field, role, content: inParts ? content : withoutBreaks(content) }
      if (!Array.isArray(content))
        throw new InputError(`${field}.content: expected a text or parts, got ${describe(content ?? null)}`)
      const parts = content.map((part: unknown, k) => readPart(part, `${field}.content[${k}]`, waiting, images))
      return { field, role, content: parts.some(({ type }) => type === 'image') || inParts ? parts : joined(parts) }
    })
    if (!inParts) images.push(...waiting.splice(0))
    if (waiting.length > 0)
      throw new InputError(`images: ${waiting.length} more than image parts without a path; expected as many`)
    const conversation = conversationOf(turns, images.length, { ...(inParts ? {} : { placeholder: PLACEHOLDER }), system })
    return { conversation, images, flags: augmentFlags(record) }
  },
}

function isImagePart(part: unknown): boolean {
  return isRecord(part) && (part.type === 'image' || part.type === 'image_url')
}

function readPart(part: unknown, field: string, waiting: string[], images: string[]): TurnPart {
  if (!isRecord(part)) throw new InputError(`${field}: expected an object with type, got ${describe(part)}`)
  if (part.type === 'text') {
    if (typeof part.text !== 'string') throw new InputError(`${field}.text: expected a text, got ${describe(part.text ?? null)}`)
    return { type: 'text', text: part.text }
  }
  if (!isImagePart(part))
    throw new InputError(`${field}.type: expected text, image or image_url, got ${describe(part.type ?? null)}`)
  const url = isRecord(part.image_url) ? part.image_url.url : part.image_url
  const named = part.image ?? url ?? part.path
  const path = named === undefined ? waiting.shift() : imagePath(named, field)
  if (path === undefined) throw new InputError(`${field}: an image without a path, and no more of them in images`)
  return { type: 'image', image: images.push(path) - 1 }
}

/** Parts without an image are one text. */
function joined(parts: readonly TurnPart[]): string {
  return withoutBreaks(parts.map((part) => (part.type === 'text' ? part.text : '')).join(''))
}
