/**
 * What data are once they are read, whatever format they had: conversations with images, and plain texts. Training, the formats
 * and the tokenising of conversations share these types.
 */

/** A stretch of a turn: a text, or the place of an image, which counts into the images of the record. */
export type TurnPart = { readonly type: 'text'; readonly text: string } | { readonly type: 'image'; readonly image: number }

export interface Turn {
  readonly role: 'user' | 'assistant'
  /** Images in the order in which they stand; texts are data, nothing in them has a meaning. */
  readonly content: readonly TurnPart[]
}

/** Turns alternate, the user first; there is at least one answer, and no turn is empty. */
export interface Conversation {
  /** What the model is told before the first turn: context, never learned. */
  readonly system?: string
  readonly turns: readonly Turn[]
}

/** What augmentation may do to the images of a record. */
export interface AugmentFlags {
  /** A mirrored image means the same (default false: text and left/right questions would turn wrong). */
  readonly flip?: boolean
  /** A shift by two pixels means the same. */
  readonly shift?: boolean
  /** The answer depends on colour: no hue change, no greyscale. */
  readonly keepColour?: boolean
}

interface Placed {
  /** `record 7 (line 9)` of its file. */
  where(): string
}

export interface ConversationRecord extends AugmentFlags, Placed {
  readonly kind: 'conversation'
  readonly conversation: Conversation
  /** Real paths of files that exist, as the turns count them. */
  readonly images: readonly string[]
}

export interface TextRecord extends Placed {
  readonly kind: 'text'
  readonly text: string
  readonly images?: undefined
}

export type TrainingRecord = ConversationRecord | TextRecord

/** The text of a turn, its images left out. */
export function turnText(turn: Turn): string {
  return turn.content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}
