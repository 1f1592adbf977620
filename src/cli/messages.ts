/** What the asking commands share: a user's turn from text and images. */
import type { ChatImage, ChatMessage } from '../chat/chat.js'

/** A user's turn: the images first, as the model was trained. */
export function userMessage(text: string, images: readonly ChatImage[]): ChatMessage {
  return { role: 'user', content: [...images.map((image) => ({ type: 'image' as const, image })), { type: 'text', text }] }
}
