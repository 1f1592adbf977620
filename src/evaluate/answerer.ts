/** A loaded model as what answers questions, one by one or several together. */
import { type ChatMessage, chat } from '../chat/chat.js'
import { chatBatch } from '../chat/chat-batch.js'
import type { Question } from '../data/questions.js'
import type { XComposer } from '../inference/xcomposer.js'
import type { Answerer, BatchAnswerer } from './evaluate.js'

export interface AnswererOptions {
  /** Longest reply in tokens. */
  readonly maxNewTokens: number
  readonly signal?: AbortSignal
}

/**
 * The model's greedy reply to a question, with its images or, to see what they are worth, without.
 *
 * @example
 * const { report } = await evaluate(readQuestions('questions.jsonl'), modelAnswerer(model, { maxNewTokens: 64 }))
 */
export function modelAnswerer(
  model: XComposer,
  options: AnswererOptions & { readonly beams?: number },
  withImages = true,
): Answerer {
  return async (question) => (await chat(model, [questionMessage(question, withImages)], options).result).text.trim()
}

/** The same replies, `size` questions at a time. */
export function batchAnswerer(model: XComposer, size: number, options: AnswererOptions, withImages = true): BatchAnswerer {
  return {
    size,
    async answer(questions) {
      const conversations = questions.map((question) => [questionMessage(question, withImages)])
      return (await chatBatch(model, conversations, options)).map(({ text }) => text.trim())
    },
  }
}

/** A question as a message. The images stand before the text, as the model was trained; text is data here, whatever it spells. */
export function questionMessage({ question, images }: Question, withImages = true): ChatMessage {
  const parts = (withImages ? images : []).map((file) => ({ type: 'image' as const, image: { file } }))
  return { role: 'user', content: [...parts, { type: 'text', text: question }] }
}
