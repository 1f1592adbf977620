/**
 * Messages of a dialogue: what roles, order and parts they may have, and how they become the request of a prompt. They come from outside,
 * also from plain JavaScript and from JSON, so every part is checked.
 */
import { InputError } from '../common/errors.js'
import type { ImageSource } from '../image/source.js'
import type { ChatContent, ChatRequest, ChatTurn } from '../text/prompt.js'
import { IMAGE_PLACEHOLDER } from '../text/texts.js'

/** An image of a message. */
export type ChatImage = ImageSource

/** A piece of a message; `image_url` is OpenAI's form, whose URL is a `data:` or `file:` URL here. */
export type ChatContentPart =
  | { readonly type: 'text'; readonly text: string }
  /** `maxTiles` of this image, in a tiled model; default the request's. */
  | { readonly type: 'image'; readonly image: ChatImage; readonly maxTiles?: number }
  | { readonly type: 'image_url'; readonly image_url: string | { readonly url: string } }

/** One message; images stand where they are meant to be seen. Only user messages have images. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string | readonly ChatContentPart[]
}

/** An image of a request, and what errors call it where it has no name of its own. */
export interface NamedImage {
  readonly source: ImageSource
  readonly name: string
  readonly maxTiles?: number
}

/** Messages as a prompt request, with their images numbered in order. */
export interface ReadMessages {
  readonly request: ChatRequest
  readonly images: readonly NamedImage[]
}

export interface ReadOptions {
  /** Words the answer starts with; they are not part of the result. */
  readonly prefix?: string
  /** Text that spells `<ImageHere>` stays text; by default it is the place of an image of its message. */
  readonly literalText?: boolean
}

/** @throws InputError naming the message and the part (from 1) that cannot be used */
export function readMessages(messages: readonly ChatMessage[], { prefix, literalText = false }: ReadOptions = {}): ReadMessages {
  if (!Array.isArray(messages)) throw new InputError('messages: expected a list of { role, content }')
  const checked = messages.map((message, i) => checkMessage(message, `message ${i + 1}`))
  const images: NamedImage[] = []
  const userContent = ({ parts }: CheckedMessage, where: string): ChatContent =>
    (literalText ? parts : placeImages(parts, where)).map((part) =>
      part.type === 'text' ? part : { type: 'image' as const, image: images.push(part.image) - 1 },
    )
  const first = checked[0]?.role === 'system' ? 1 : 0
  const system = first === 1 ? plainText(checked[0] as CheckedMessage, 'message 1') : ''
  const history: ChatTurn[] = []
  for (let i = first; ; i += 2) {
    const [user, reply] = [checked[i], checked[i + 1]]
    if (user?.role !== 'user')
      throw new InputError(`messages: expected a user message, got ${user ? `one of the ${user.role}` : 'none'}`)
    const said = userContent(user, `message ${i + 1}`)
    if (!reply) return { request: { ...(system ? { system } : {}), history, user: said, ...(prefix ? { prefix } : {}) }, images }
    if (reply.role !== 'assistant')
      throw new InputError(`messages: expected an assistant message after a user's, got one of the ${reply.role}`)
    history.push({ user: said, assistant: plainText(reply, `message ${i + 2}`) })
  }
}

/** The messages without their oldest turn (a question and its answer); undefined where there is none to leave out. */
export function withoutOldestTurn(messages: readonly ChatMessage[]): readonly ChatMessage[] | undefined {
  const first = messages[0]?.role === 'system' ? 1 : 0
  return messages.length - first > 2 ? [...messages.slice(0, first), ...messages.slice(first + 2)] : undefined
}

type CheckedPart = { readonly type: 'text'; readonly text: string } | { readonly type: 'image'; readonly image: NamedImage }

interface CheckedMessage {
  readonly role: ChatMessage['role']
  readonly parts: readonly CheckedPart[]
}

function checkMessage(message: unknown, where: string): CheckedMessage {
  if (typeof message !== 'object' || message === null) throw new InputError(`${where}: expected { role, content }`)
  const { role, content } = message as Partial<Record<'role' | 'content', unknown>>
  if (role !== 'system' && role !== 'user' && role !== 'assistant')
    throw new InputError(`${where}: expected the role system, user or assistant, got ${quoted(role)}`)
  if (typeof content === 'string') return { role, parts: [{ type: 'text', text: content }] }
  if (!Array.isArray(content))
    throw new InputError(
      `${where}: expected as content a text or a list of parts, got ${content == null ? 'none' : typeof content}`,
    )
  return { role, parts: content.map((part, i) => checkPart(part, `${where}, part ${i + 1}`)) }
}

function checkPart(part: unknown, where: string): CheckedPart {
  if (typeof part !== 'object' || part === null)
    throw new InputError(`${where}: expected { type: 'text', text } or { type: 'image', image }`)
  const { type, text, image, image_url, maxTiles } = part as Partial<
    Record<'type' | 'text' | 'image' | 'image_url' | 'maxTiles', unknown>
  >
  if (type === 'text') {
    if (typeof text !== 'string')
      throw new InputError(`${where}: expected a text in "text", got ${text == null ? 'none' : typeof text}`)
    return { type, text }
  }
  if (type === 'image') {
    if (image === undefined || image === null) throw new InputError(`${where}: expected an image in "image", got none`)
    if (maxTiles !== undefined && typeof maxTiles !== 'number')
      throw new InputError(`${where}: expected a number in "maxTiles", got ${typeof maxTiles}`)
    return { type, image: { source: image as ImageSource, name: where, ...(maxTiles === undefined ? {} : { maxTiles }) } }
  }
  if (type === 'image_url') {
    const url = typeof image_url === 'object' && image_url !== null ? (image_url as { url?: unknown }).url : image_url
    if (typeof url !== 'string') throw new InputError(`${where}: expected image_url: { url: "data:image/...;base64,..." }`)
    return { type: 'image', image: { source: url, name: where } }
  }
  throw new InputError(`${where}: expected the type text, image or image_url, got ${quoted(type)}`)
}

/**
 * Puts the images of a message where its text spells `<ImageHere>`, as prompts for the official model do. Text of a message without
 * images stays text, so that it can never move the positions of images.
 * @throws InputError where images and spelled places differ in number
 */
function placeImages(parts: readonly CheckedPart[], where: string): readonly CheckedPart[] {
  const images = parts.filter((part) => part.type === 'image')
  const places = parts.reduce((n, part) => n + (part.type === 'text' ? part.text.split(IMAGE_PLACEHOLDER).length - 1 : 0), 0)
  if (images.length === 0 || places === 0) return parts
  if (places !== images.length) {
    throw new InputError(
      `${where}: its text spells ${IMAGE_PLACEHOLDER} ${times(places)}, but it has ${images.length} image${images.length > 1 ? 's' : ''}; ` +
        `write ${IMAGE_PLACEHOLDER} once for each image or not at all (an image then stands where its part does)`,
    )
  }
  const waiting = [...images]
  return parts.flatMap((part): CheckedPart[] => {
    if (part.type === 'image') return []
    return part.text
      .split(IMAGE_PLACEHOLDER)
      .flatMap((text, i): CheckedPart[] => [...(i > 0 ? [waiting.shift() as CheckedPart] : []), { type: 'text', text }])
  })
}

const times = (n: number): string => (n === 1 ? 'once' : `${n} times`)

function plainText({ role, parts }: CheckedMessage, where: string): string {
  return parts
    .map((part) => {
      if (part.type === 'text') return part.text
      throw new InputError(`${where}: one of the ${role}, holds an image; only user messages can`)
    })
    .join('')
}

function quoted(value: unknown): string {
  return value === undefined ? 'none' : typeof value === 'string' ? `"${value.slice(0, 50)}"` : typeof value
}
