/**
 * A training conversation to ids, image mask and labels (SPEC 11.3 and 11.5): its turns, `</s>` at the end, BOS on the first part
 * only, loss on answers and their end marker. A system turn before them is context. Texts are data: nothing in them has a meaning.
 * It knows nothing of files, pixels or batches.
 */
import { assemble, literalRuns, type Run, turnRuns } from '../text/prompt.js'
import { IMAGE_PLACEHOLDER, turnTexts } from '../text/texts.js'
import type { Tokenizer } from '../text/tokenizer.js'
import type { DrawnQuestion } from './drawn.js'
import type { Conversation, TurnPart } from './records.js'

/** Stands in `ids` at image positions and in `labels` wherever nothing is learned. */
export const IGNORED = -100

/** A turn as the reference's files spell it. */
export interface SpelledMessage {
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
  /** Which question each position belongs to, from 1; 0 for what all share. Absent: one conversation. */
  readonly branches?: number[]
}

export interface ExampleOptions {
  readonly images: number
  /** Positions per image. */
  readonly imageTokens: number | readonly number[]
  readonly maxLength?: number
}

/**
 * One conversation as a training example.
 * @throws InputError when its image parts are not as many as `images`
 */
export function conversationExample(tokenizer: Tokenizer, { system, turns }: Conversation, options: ExampleOptions): Example {
  const runs: Run[] = system === undefined ? [] : turnRuns(tokenizer, turnTexts.system, system)
  for (const { role, content } of turns) {
    runs.push(...turnRuns(tokenizer, role === 'user' ? turnTexts.user : turnTexts.assistant, content))
  }
  return example(tokenizer, [...runs, tokenizer.eosId], options, { lenient: false, context: system === undefined ? 0 : 1 })
}

/**
 * Several questions about one image (or none) as one example. Each has the ids and labels that it would have alone, and attends to the
 * image and to itself, so that none reads the answer of another and the image is computed once (as Molmo is trained, arXiv 2409.17146,
 * section 3). Questions that do not fit into `maxLength` whole are left out, the last ones first.
 */
export function independentExample(
  tokenizer: Tokenizer,
  questions: readonly DrawnQuestion[],
  { images, imageTokens, maxLength = Number.POSITIVE_INFINITY }: ExampleOptions,
): Example {
  const alone = questions.map(({ question, answer, spelled }) => {
    const parts: TurnPart[] = Array.from({ length: images }, (_, image) => ({ type: 'image', image }))
    const runs = turnRuns(tokenizer, turnTexts.user, [...parts, { type: 'text', text: question }])
    const said = spelled
      ? spelledRuns(tokenizer, answer)
      : turnRuns(tokenizer, turnTexts.assistant, [{ type: 'text', text: answer }])
    return example(tokenizer, [...runs, ...said, tokenizer.eosId], { images, imageTokens }, { lenient: false, context: 0 })
  })
  const shared = Math.max(1, (alone[0]?.imageMask.lastIndexOf(1) ?? 0) + 1)
  const whole: Required<Example> = {
    ids: alone[0]?.ids.slice(0, shared) ?? [],
    imageMask: alone[0]?.imageMask.slice(0, shared) ?? [],
    labels: alone[0]?.labels.slice(0, shared) ?? [],
    branches: new Array<number>(shared).fill(0),
  }
  alone.forEach(({ ids, labels }, i) => {
    const own = ids.length - shared
    if (whole.ids.length + own > maxLength) return
    whole.ids.push(...ids.slice(shared))
    whole.labels.push(...labels.slice(shared))
    whole.imageMask.push(...new Array<number>(own).fill(0))
    whole.branches.push(...new Array<number>(own).fill(i + 1))
  })
  return whole
}

/** An answer's turn whose characters are a token each. */
function spelledRuns(tokenizer: Tokenizer, answer: string): Run[] {
  const [before = '', after = ''] = turnTexts.assistant.split('{text}')
  return [...tokenizer.splitControls(before), ...tokenizer.encodeCharacters(answer), ...tokenizer.splitControls(after)]
}

/** The same by the reference's rules: control text counts, any order of roles, images and placeholders may disagree. For parity. */
export function literalExample(tokenizer: Tokenizer, messages: readonly SpelledMessage[], options: ExampleOptions): Example {
  const runs = literalRuns(tokenizer, conversationText(messages), IMAGE_PLACEHOLDER)
  return example(tokenizer, runs, options, { lenient: true, context: 0 })
}

function example(
  tokenizer: Tokenizer,
  runs: readonly Run[],
  { images, imageTokens, maxLength = Number.POSITIVE_INFINITY }: ExampleOptions,
  { lenient, context }: { readonly lenient: boolean; readonly context: number },
): Example {
  const { parts } = assemble(tokenizer, runs, 'first-part', {
    images,
    imageTokens,
    lenient,
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
  const labels = maskLabels(tokenizer, ids, context)
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
 * @param context turns before the first question, which are not counted
 */
export function maskLabels(tokenizer: Tokenizer, ids: readonly number[], context = 0): number[] {
  const labels = [...ids]
  // From a user turn's end marker to the newline of the assistant header: 5 more ids in the official vocabulary.
  const header = tokenizer.encodeRuns(['\n', ...tokenizer.splitControls(turnTexts.assistantOpen)]).length
  let before = context
  let ends = 0
  let last = 0
  let visited = -1
  for (let i = 0; i < ids.length; i++) {
    visited = ids[i] ?? -1
    if (visited === tokenizer.endOfTurnId && before > 0) before--
    else if (visited === tokenizer.endOfTurnId) {
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
export function conversationText(messages: readonly SpelledMessage[]): string {
  const turns = messages.map((m) => (isUser(m) ? turnTexts.user : turnTexts.assistant).replace('{text}', () => m.value.trim()))
  return `${turns.join('')}</s>`
}

function isUser(message: SpelledMessage): boolean {
  const from = message.from.toLowerCase()
  return from === 'user' || from === 'human'
}
