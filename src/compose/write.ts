/**
 * Step 1, write: the instruction that asks for the article. Knows nothing of images. Follows SPEC section 10, step 1.
 */
import { InputError } from '../common/errors.js'
import { type ComposePrompt, fill, textPart } from './prompt.js'
import { instructionTexts } from './texts.js'

export type Language = 'en' | 'zh'

export const writeMaxNewTokens = 4096
const longestSubject = 2000

/**
 * The instruction in the article's language.
 * @throws InputError when the subject is empty or longer than 2,000 characters.
 */
export function instruction(subject: string, language: Language): string {
  const text = subject.trim()
  if (text === '') throw new InputError('subject: expected a few words, got an empty text; say what the article is about')
  if (text.length > longestSubject) {
    throw new InputError(`subject: expected at most ${longestSubject} characters, got ${text.length}; shorten it`)
  }
  return fill(instructionTexts[language], { subject: text })
}

export function writePrompt(subject: string, language: Language): ComposePrompt {
  return { content: [textPart(instruction(subject, language))], prefix: '' }
}
