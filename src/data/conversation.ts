/**
 * A training conversation to ids, image mask and labels (SPEC 11.3 and 11.5): turns without system text, `</s>` at the end,
 * BOS on the first part only, loss on answers and their end marker. Values are data: only `<ImageHere>` has a meaning in
 * them. It knows nothing of files, pixels or batches.
 */
import { InputError } from '../common/errors.js'
import { assemble, literalRuns, type Run, turnRuns } from '../text/prompt.js'
import { IMAGE_PLACEHOLDER, turnTexts } from '../text/texts.js'
import type { Tokenizer } from '../text/tokenizer.js'

/** Stands in `ids` at image positions and in `labels` wherever nothing is learned. */
export const IGNORED = -100

export interface Message {
  readonly from: string
  readonly value: string
}

export interface Example {
  /** `IGNORED` at image positions. */
  readonly ids: number[]
  /** 1 at image positions. */
  readonly imageMask: number[]
  /** Not shifted: labels[i] is ids[i] or `IGNORED`. */
  readonly labels: number[]
}

export interface ExampleOptions {
  readonly images: number
  /** Positions per image. */
  readonly imageTokens: number | readonly number[]
  readonly maxLength?: number
  /** The reference's rules: control text counts, any role order, images and placeholders may disagree. For parity. */
  readonly literal?: boolean
}

/**
 * One conversation as a training example.
 * @throws InputError when roles do not alternate, an answer is empty, or images and placeholders disagree
 */
export function conversationExample(tokenizer: Tokenizer, messages: readonly Message[], options: ExampleOptions): Example {
  const { literal = false, images, imageTokens, maxLength = Number.POSITIVE_INFINITY } = options
  if (!literal) checkConversation(messages, images)
  const runs = conversationRuns(tokenizer, messages, literal)
  const { parts } = assemble(tokenizer, runs, 'first-part', {
    images,
    imageTokens,
    lenient: literal,
    maxLength: Number.POSITIVE_INFINITY,
  })
  const ids: number[] = []
  const imageMask: number[] = []
  for (const part of parts) {
    // The reference stops at the first part that reaches beyond the limit and cuts after labelling.
    if (ids.length > maxLength) break
    const more = part.kind === 'text' ? part.ids : new Array<number>(part.tokens).fill(IGNORED)
    for (const id of more) {
      ids.push(id)
      imageMask.push(part.kind === 'image' ? 1 : 0)
    }
  }
  const labels = maskLabels(tokenizer, ids)
  return { ids: ids.slice(0, maxLength), imageMask: imageMask.slice(0, maxLength), labels: labels.slice(0, maxLength) }
}

/** Plain text as a training example: BOS, text, `</s>`; every token but BOS is learned. */
export function textExample(tokenizer: Tokenizer, text: string, maxLength = Number.POSITIVE_INFINITY): Example {
  const ids = [tokenizer.bosId, ...tokenizer.encode(text), tokenizer.eosId].slice(0, maxLength)
  return { ids, imageMask: ids.map(() => 0), labels: ids.map((id, i) => (i === 0 ? IGNORED : id)) }
}

/**
 * Labels of a conversation's ids: everything up to an answer's first token is ignored, also a trailing question. The walk
 * counts end-of-turn ids, even ones end a user turn.
 */
export function maskLabels(tokenizer: Tokenizer, ids: readonly number[]): number[] {
  const labels = [...ids]
  // From a user turn's end marker to the newline of the assistant header: 5 more ids in the official vocabulary.
  const header = tokenizer.encodeRuns(['\n', ...tokenizer.splitControls(turnTexts.assistantOpen)]).length
  let ends = 0
  let last = 0
  let visited = -1
  for (let i = 0; i < ids.length; i++) {
    visited = ids[i] ?? -1
    if (visited === tokenizer.endOfTurnId) {
      if (ends % 2 === 0) labels.fill(IGNORED, last, i + header + 1)
      else last = i + 1
      ends++
    } else if (visited === tokenizer.eosId) {
      labels.fill(IGNORED, i + 1)
      break
    }
  }
  if (visited !== tokenizer.eosId && ends % 2 === 0) labels.fill(IGNORED, last + 1)
  return labels
}

/** The conversation as the reference spells it, for reading and comparison, never for tokenising. */
export function conversationText(messages: readonly Message[]): string {
  const turns = messages.map((m) => (isUser(m) ? turnTexts.user : turnTexts.assistant).replace('{text}', () => m.value.trim()))
  return `${turns.join('')}</s>`
}

/** Checks what can be checked without tokenising. @throws InputError */
export function checkConversation(messages: readonly Message[], images: number): void {
  if (messages.length === 0) throw new InputError('conversations is empty, expected at least a question and an answer')
  let places = 0
  messages.forEach((message, i) => {
    const expected = i % 2 === 0 ? 'user' : 'assistant'
    if (isUser(message) !== (i % 2 === 0))
      throw new InputError(`conversations[${i}] is from "${message.from}", expected ${expected}: turns alternate, the user first`)
    if (message.value.trim() === '')
      throw new InputError(`conversations[${i}].value is empty, expected the text of the ${expected}`)
    places += message.value.split(IMAGE_PLACEHOLDER).length - 1
  })
  if (messages.length < 2) throw new InputError('conversations has no answer, expected at least a question and an answer')
  if (places !== images)
    throw new InputError(`${places} ${IMAGE_PLACEHOLDER} in the conversation but ${images} image(s); write one for each image`)
}

function conversationRuns(tokenizer: Tokenizer, messages: readonly Message[], literal: boolean): Run[] {
  if (literal) return literalRuns(tokenizer, conversationText(messages), IMAGE_PLACEHOLDER)
  let image = 0
  const runs = messages.flatMap((message) => {
    const parts = message.value.trim().split(IMAGE_PLACEHOLDER)
    const content = parts.flatMap((text, i) => {
      const piece = { type: 'text' as const, text }
      return i > 0 ? [{ type: 'image' as const, image: image++ }, piece] : [piece]
    })
    return turnRuns(tokenizer, isUser(message) ? turnTexts.user : turnTexts.assistant, content)
  })
  return [...runs, tokenizer.eosId]
}

function isUser(message: Message): boolean {
  const from = message.from.toLowerCase()
  return from === 'user' || from === 'human'
}
