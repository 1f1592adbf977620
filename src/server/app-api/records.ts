/**
 * What the web app keeps, as it crosses the wire: conversations are trees of messages. A message that is edited or asked again gets a
 * sibling (another child of the same parent); the branch that is shown ends at the conversation's leaf. Read by the server and by `web/`.
 */
import { z } from 'zod'

/** Ids are made by the page, so that writing again after a lost connection changes nothing. */
export const ID = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/, 'expected 8 to 64 letters, digits, - or _')
/** SHA-256 of an image's bytes, in hexadecimal. */
export const IMAGE_ID = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits')

/** In characters. */
export const MAX_TEXT = 1_000_000
const MAX_TITLE = 200
/** Of one message. */
export const MAX_IMAGES = 64

/** How an answer was made, for the line below it. */
export const detailsSchema = z.object({
  model: z.string().max(300).optional(),
  /** As sent. */
  temperature: z.number().optional(),
  promptTokens: z.number().int().nonnegative().optional(),
  imageTokens: z.number().int().nonnegative().optional(),
  cachedTokens: z.number().int().nonnegative().optional(),
  completionTokens: z.number().int().nonnegative().optional(),
  /** From sending the question to the first piece of the answer. */
  firstTokenMs: z.number().nonnegative().optional(),
  tokensPerSecond: z.number().nonnegative().optional(),
  /** What the model saw of each image of the prompt: pixels and positions. */
  seen: z
    .array(z.object({ width: z.number().int(), height: z.number().int(), tokens: z.number().int() }))
    .max(1000)
    .optional(),
  /** Why there is no whole answer. */
  error: z.string().max(2000).optional(),
})
export type MessageDetails = z.infer<typeof detailsSchema>

/** `writing`: an answer whose end was not stored; read later, it broke off. `length`: the limit of new tokens ended it. */
export const STATES = ['done', 'writing', 'stopped', 'length', 'broken'] as const

export const messageSchema = z.object({
  /** Null for the first message of a conversation. */
  parent: ID.nullable(),
  role: z.enum(['user', 'assistant']),
  text: z.string().max(MAX_TEXT),
  images: z.array(IMAGE_ID).max(MAX_IMAGES).default([]),
  state: z.enum(STATES).default('done'),
  details: detailsSchema.default({}),
})
export type MessageFields = z.infer<typeof messageSchema>

export const conversationSchema = z.object({
  title: z.string().max(MAX_TITLE).optional(),
  /** The last message of the branch that is shown. */
  leaf: ID.nullable().optional(),
})
export type ConversationFields = z.infer<typeof conversationSchema>

export interface StoredMessage extends MessageFields {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly created: number
}

export interface ConversationSummary {
  readonly id: string
  readonly title: string
  /** Milliseconds since 1970. */
  readonly updated: number
  /** Around what was searched for, or of the last message. */
  readonly excerpt?: string
}

export interface Conversation extends ConversationSummary {
  readonly created: number
  readonly leaf: string | null
  /** In the order in which they were made. */
  readonly messages: readonly StoredMessage[]
}

/** An image that was stored. */
export interface StoredImage {
  readonly id: string
}
