/** What all formats do: turns with names of roles and texts to a checked conversation, and images put where they are spelled. */
import { InputError } from '../../common/errors.js'
import { describe, isRecord } from '../../common/json.js'
import type { Conversation, Turn, TurnPart } from '../records.js'
import { turnText } from '../records.js'

/** A turn as a record has it. */
export interface SpelledTurn {
  /** `conversations[1]`, for errors. */
  readonly field: string
  /** The name of the role, as spelled. */
  readonly role: string
  /** A text in which images may be spelled, or parts. */
  readonly content: string | readonly TurnPart[]
}

const ROLES: Readonly<Record<string, 'system' | 'user' | 'assistant'>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  human: 'user',
  assistant: 'assistant',
  gpt: 'assistant',
}

const TOOLS = ['tool', 'function', 'function_call', 'function_response', 'observation', 'ipython']

/** Turns under a list's field, each an object with the fields `role` and `value`. @throws InputError */
export function spelledTurns(list: unknown, field: string, role: string, value: string): SpelledTurn[] {
  if (!Array.isArray(list)) throw new InputError(`${field}: expected an array of turns, got ${describe(list)}`)
  return list.map((turn: unknown, i) => {
    const at = `${field}[${i}]`
    if (!isRecord(turn)) throw new InputError(`${at}: expected an object with ${role} and ${value}, got ${describe(turn)}`)
    const [name, content] = [turn[role], turn[value]]
    if (typeof name !== 'string') throw new InputError(`${at}.${role}: expected user or assistant, got ${describe(name ?? null)}`)
    if (typeof content !== 'string') throw new InputError(`${at}.${value}: expected a text, got ${describe(content ?? null)}`)
    return { field: at, role: name, content }
  })
}

/**
 * The conversation that turns make: a system turn only first, then user and assistant in turn, none of them empty.
 * @param system the text of a field of its own; a system turn counts as well, not both
 * @param images how many the record names @param placeholder how an image is spelled in texts; absent: images are parts
 * @throws InputError
 */
export function conversationOf(
  spelled: readonly SpelledTurn[],
  images: number,
  { placeholder, system }: { readonly placeholder?: string; readonly system?: unknown },
): Conversation {
  if (spelled.length === 0) throw new InputError('the conversation is empty, expected at least a question and an answer')
  const told = systemOf(spelled[0] as SpelledTurn, system)
  const rest = roleOf(spelled[0] as SpelledTurn) === 'system' ? spelled.slice(1) : spelled
  let places = 0
  const turns = rest.map((turn, i): Turn => {
    const expected = i % 2 === 0 ? 'user' : 'assistant'
    const role = roleOf(turn)
    if (role === 'system') throw new InputError(`${turn.field} is a system turn; only the first turn may be one`)
    if (role !== expected)
      throw new InputError(`${turn.field} is from "${turn.role}", expected ${expected}: turns alternate, the user first`)
    const content = trimmed(typeof turn.content === 'string' ? split(turn.content, placeholder, () => places++) : turn.content)
    if (typeof turn.content !== 'string') places += content.filter(({ type }) => type === 'image').length
    const empty = content.length === 0 || (role === 'assistant' && turnText({ role, content }).trim() === '')
    if (empty) throw new InputError(`${turn.field} is empty, expected the text of the ${expected}`)
    return { role, content }
  })
  if (turns.length < 2) throw new InputError('the conversation has no answer, expected at least a question and an answer')
  if (places !== images) throw new InputError(disagreement(turns, places, images, placeholder))
  return { ...(told === undefined ? {} : { system: told }), turns }
}

function systemOf(first: SpelledTurn, field: unknown): string | undefined {
  const turn = roleOf(first) === 'system' ? first : undefined
  if (field !== undefined && field !== null && typeof field !== 'string')
    throw new InputError(`system: expected a text, got ${describe(field)}`)
  if (turn && field) throw new InputError(`${turn.field} is a system turn, and there is a field system; expected one of them`)
  if (turn && typeof turn.content !== 'string' && turn.content.some(({ type }) => type === 'image'))
    throw new InputError(`${turn.field} is a system turn with an image; only users' turns may have one`)
  const text = turn ? textOf(turn.content) : (field ?? '')
  return text.trim() === '' ? undefined : text.trim()
}

function textOf(content: string | readonly TurnPart[]): string {
  return typeof content === 'string' ? content : turnText({ role: 'user', content })
}

function roleOf({ field, role }: SpelledTurn): 'system' | 'user' | 'assistant' {
  const name = role.toLowerCase()
  const known = Object.hasOwn(ROLES, name) ? ROLES[name] : undefined
  if (known) return known
  if (TOOLS.includes(name)) throw new InputError(`${field} is from "${role}": calls of tools are not taken; leave the record out`)
  throw new InputError(`${field} is from "${role}", expected user (human), assistant (gpt) or system`)
}

/** A text cut at its placeholders; `next` numbers the images. */
function split(text: string, placeholder: string | undefined, next: () => number): TurnPart[] {
  if (placeholder === undefined) return [{ type: 'text', text }]
  return text.split(placeholder).flatMap((piece, i): TurnPart[] => {
    const part = { type: 'text' as const, text: piece }
    return i > 0 ? [{ type: 'image', image: next() }, part] : [part]
  })
}

/** White space at both ends of a turn is not part of what is said. */
function trimmed(content: readonly TurnPart[]): TurnPart[] {
  return content
    .map((part, i) => {
      if (part.type === 'image') return part
      const start = i === 0 ? part.text.trimStart() : part.text
      return { type: 'text' as const, text: i === content.length - 1 ? start.trimEnd() : start }
    })
    .filter((part) => part.type === 'image' || part.text !== '')
}

function disagreement(turns: readonly Turn[], places: number, images: number, placeholder: string | undefined): string {
  if (placeholder === undefined)
    return `${places} image part(s) in the conversation but ${images} image(s) named; expected as many`
  const other = placeholder === '<image>' ? '<ImageHere>' : '<image>'
  const others = turns.reduce((sum, turn) => sum + turnText(turn).split(other).length - 1, 0)
  const hint = others > 0 ? ` (${others} ${other} stand there as text: another format? see "format" of data files)` : ''
  return `${places} ${placeholder} in the conversation but ${images} image(s)${hint}; write one for each image`
}
