/**
 * Is a reply right? One function per rule, each from (reply, accepted answer) to true or false. They know nothing of models,
 * files or averages. `relaxed` and what begins with `reference-` are the official scripts' rules (SPEC section 12), quirks included; the
 * others read a reply as a person would.
 */
import { firstBox, overlap } from '../data/box.js'
import type { ScorerName } from '../data/questions.js'
import { choiceLetter } from './choice-letter.js'
import { referenceChoice, referenceYesNo, relaxed } from './reference-extraction.js'

export type Scorer = (reply: string, answer: string) => boolean

export const SCORERS: Readonly<Record<ScorerName, Scorer>> = {
  exact: (reply, answer) => normalize(reply) === normalize(answer),
  contains,
  choice: (reply, answer) => choiceLetter(reply) === answer.trim().toUpperCase(),
  relaxed,
  'reference-choice': (reply, answer) => referenceChoice(reply) === answer.trim(),
  'reference-yes-no': (reply, answer) => referenceYesNo(reply) === answer.trim().toLowerCase(),
  box: (reply, answer) => overlap(firstBox(reply), firstBox(answer)) >= 0.5,
}

/** Whether the reply is right by any of the accepted answers. */
export function isCorrect(scorer: ScorerName, reply: string, answers: readonly string[]): boolean {
  return answers.some((answer) => SCORERS[scorer](reply, answer))
}

/**
 * Text with case, articles, punctuation and full or half width taken out. The sign and the decimal point of a number stay:
 * "-1.5" is not "15". A text of nothing else ("A", "?") stays as it is.
 */
export function normalize(text: string): string {
  const plain = text.normalize('NFKC').toLowerCase().trim()
  const bare = plain
    .replace(/−/g, '-')
    .replace(/(?<=\d),(?=\d{3}(?!\d))/g, '')
    .replace(/((?<![\p{L}\p{N}])-(?=\.?\d)|(?<!\p{L})\.(?=\d))|\p{P}/gu, (_, ofNumber?: string) => ofNumber ?? ' ')
    .replace(/\b(a|an|the)\b/g, ' ')
    .replace(/\s+/g, ' ')
    .replace(/(?<=\p{Script=Han}) | (?=\p{Script=Han})/gu, '')
    .trim()
  return bare === '' ? plain : bare
}

/**
 * The answer stands in the reply, not as part of a longer word or number. A number is sought by value among the reply's numbers: 5 is in
 * "5.0" and in "5 kg" or "5kg", not in "1.5", "-5" or "15".
 */
function contains(reply: string, answer: string): boolean {
  const [text, part] = [normalize(reply), normalize(answer)]
  if (part === '') return text === ''
  if (NUMBER.test(part)) return numbersIn(text).some((n) => n === Number(part))
  const wordy = (char: string | undefined): boolean => char !== undefined && /[a-z0-9]/.test(char)
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + 1)) {
    const cutsBefore = wordy(text[at - 1]) && wordy(part[0])
    const cutsAfter = wordy(text[at + part.length]) && wordy(part.at(-1))
    if (!cutsBefore && !cutsAfter) return true
  }
  return false
}

const NUMBER = /^-?(?:\d+(?:\.\d+)?|\.\d+)$/
/** Units that are written without a space; "3d" and "5th" are words of their own. */
const UNITS = 'kg|g|mg|km|cm|mm|m|ml|l|s|ms|h|min|px|mph|kmh|w|kw|v|hz|gb|mb|kb|usd|eur|x'

/** Every number of a normalised text that is whole: no part of a word, a version ("1.2.3") or a longer number. */
function numbersIn(text: string): number[] {
  const pattern = new RegExp(`(?<![a-z0-9.]|\\d-)(-?(?:\\d+(?:\\.\\d+)?|\\.\\d+))(?![0-9]|\\.\\d)(?=(?:${UNITS})?(?![a-z]))`, 'g')
  return [...text.matchAll(pattern)].map(([, n]) => Number(n))
}
