/** What the asking commands share: a user's turn from text and image files, and an answer handed on piece by piece. */
import type { ChatImage, ChatMessage, ChatResult } from '../chat/chat.js'

/** Hands every piece on as it comes, and gives the result. */
export async function streamed(answer: AsyncGenerator<string, ChatResult>, piece: (text: string) => void): Promise<ChatResult> {
  for (;;) {
    const next = await answer.next()
    if (next.done) return next.value
    piece(next.value)
  }
}

/** A user's turn: the images first, as the model was trained. @param images files, or images that were read */
export function userMessage(text: string, images: readonly (string | ChatImage)[]): ChatMessage {
  const parts = images.map((image) => ({ type: 'image' as const, image: typeof image === 'string' ? { file: image } : image }))
  return { role: 'user', content: [...parts, { type: 'text', text }] }
}
