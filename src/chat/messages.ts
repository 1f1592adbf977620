/** Messages of a dialogue: what roles and order they may have, and how they become the request of a prompt. */
import { InputError } from '../common/errors.js'
import type { ChatContent, ChatRequest, ChatTurn } from '../text/prompt.js'
import type { ImageSource } from './images.js'

/** An image of a message. */
export type ChatImage = ImageSource

/** One message; images stand where they are meant to be seen. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content:
    | string
    | readonly ({ readonly type: 'text'; readonly text: string } | { readonly type: 'image'; readonly image: ChatImage })[]
}

/** Messages as a prompt request, with their images numbered in order. */
export function readMessages(
  messages: readonly ChatMessage[],
  prefix: string | undefined,
): { request: ChatRequest; images: ImageSource[] } {
  const images: ImageSource[] = []
  const content = (m: ChatMessage): ChatContent => {
    if (typeof m.content === 'string') return m.content
    return m.content.map((part) => (part.type === 'text' ? part : { type: 'image' as const, image: images.push(part.image) - 1 }))
  }
  const rest = [...messages]
  const system = rest[0]?.role === 'system' ? plainText(rest.shift() as ChatMessage) : undefined
  const history: ChatTurn[] = []
  for (;;) {
    const user = rest.shift()
    if (user?.role !== 'user')
      throw new InputError(`messages: expected a user message, got ${user ? `one of the ${user.role}` : 'none'}`)
    const said = content(user)
    const reply = rest.shift()
    if (!reply) return { request: { ...(system ? { system } : {}), history, user: said, ...(prefix ? { prefix } : {}) }, images }
    if (reply.role !== 'assistant')
      throw new InputError(`messages: expected an assistant message after a user's, got one of the ${reply.role}`)
    history.push({ user: said, assistant: plainText(reply) })
  }
}

/** The messages without their oldest turn (a question and its answer); undefined where there is none to leave out. */
export function withoutOldestTurn(messages: readonly ChatMessage[]): readonly ChatMessage[] | undefined {
  const first = messages[0]?.role === 'system' ? 1 : 0
  return messages.length - first > 2 ? [...messages.slice(0, first), ...messages.slice(first + 2)] : undefined
}

function plainText(m: ChatMessage): string {
  if (typeof m.content === 'string') return m.content
  return m.content
    .map((part) => {
      if (part.type === 'text') return part.text
      throw new InputError(`messages: a ${m.role} message holds a picture; only user messages can`)
    })
    .join('')
}
