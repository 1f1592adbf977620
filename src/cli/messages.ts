/** What the asking commands share: a user's turn from text and image files. */
import type { ChatImage, ChatMessage } from '../chat/chat.js'

/** A user's turn: the images first, as the model was trained. @param images files, or images that were read */
export function userMessage(text: string, images: readonly (string | ChatImage)[]): ChatMessage {
  const parts = images.map((image) => ({ type: 'image' as const, image: typeof image === 'string' ? { file: image } : image }))
  return { role: 'user', content: [...parts, { type: 'text', text }] }
}
