/** What the asking commands share: a user's turn from text and image files. */
import { statSync } from 'node:fs'
import type { ChatMessage } from '../chat/chat.js'
import { InputError } from '../common/errors.js'

/** A user's turn: the images first, as the model was trained. */
export function userMessage(text: string, images: readonly string[]): ChatMessage {
  return {
    role: 'user',
    content: [...images.map((file) => ({ type: 'image' as const, image: { file } })), { type: 'text', text }],
  }
}

/** @throws InputError when there is no such file */
export function imageFile(file: string): string {
  const found = !file.includes('\0') && statSync(file, { throwIfNoEntry: false })?.isFile()
  if (!found) throw new InputError(`--image: no file "${file}"; expected a png, jpeg, webp or gif picture`)
  return file
}
