/**
 * Is a reply right? One function per rule, each from (reply, accepted answer) to true or false. They know nothing of models,
 * files or averages. `relaxed` is SPEC section 12's relaxed accuracy, quirks included; the others are this project's own.
 */

export type Scorer = (reply: string, answer: string) => boolean

export type ScorerName = 'exact' | 'contains' | 'choice' | 'relaxed' | 'box'

/** Corners as fractions of width and height: [x1, y1, x2, y2]. */
export type Box = readonly [number, number, number, number]

export const SCORERS: Readonly<Record<ScorerName, Scorer>> = {
  exact: (reply, answer) => normalize(reply) === normalize(answer),
  contains,
  choice: (reply, answer) => choiceLetter(reply) === answer.trim().toUpperCase(),
  relaxed,
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

/** The answer stands in the reply, not as part of a longer word or number. */
function contains(reply: string, answer: string): boolean {
  const [text, part] = [normalize(reply), normalize(answer)]
  if (part === '') return text === ''
  const wordy = (char: string | undefined): boolean => char !== undefined && /[a-z0-9]/.test(char)
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + 1)) {
    const cutsBefore = wordy(text[at - 1]) && wordy(part[0])
    const cutsAfter = wordy(text[at + part.length]) && wordy(part.at(-1))
    if (!cutsBefore && !cutsAfter) return true
  }
  return false
}

/**
 * The option letter of a reply, upper case: a letter at the start ("b", "(B) a dog", "B."), else one after "answer is", else the
 * first capital A to H that stands alone and is not the article or the pronoun of a sentence.
 */
export function choiceLetter(reply: string): string | undefined {
  const text = reply.normalize('NFKC').trim()
  const found =
    /^[("'[*]*([A-Za-z])(?:[)\].:,"'*]|\s*$)/.exec(text) ??
    /(?:answer|option|choice)(?:\s+is)?\s*:?\s*[("'[*]*([A-Z])(?![A-Za-z])/i.exec(text) ??
    /(?:答案|选项?)(?:是|为)?\s*:?\s*[("'[*]*([A-Za-z])(?![A-Za-z])/.exec(text) ??
    /(?<![A-Za-z])([B-H]|A(?!\s+[a-z]))(?![A-Za-z'])/.exec(text)
  return found?.[1]?.toUpperCase()
}

/**
 * Numbers within 5 %, otherwise the same text whatever its case. The official script passes its two arguments in the other
 * order than they are named, so the 5 % are of the reply, and a reply of 0 is compared as text; published scores rest on that.
 */
function relaxed(reply: string, answer: string): boolean {
  const [got, want] = [toNumber(reply.trim()), toNumber(answer)]
  if (got && want !== undefined) return Math.abs(got - want) / Math.abs(got) <= 0.05
  return reply.trim().toLowerCase() === answer.toLowerCase()
}

/** A number written alone, `%` meaning hundredths. */
function toNumber(text: string): number | undefined {
  const percent = text.endsWith('%')
  const digits = (percent ? text.replace(/%+$/, '') : text).trim()
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(digits)) return undefined
  return Number(digits) / (percent ? 100 : 1)
}

/** The first four numbers in 0..1 that stand together as a box with an area, brackets or none. */
export function firstBox(text: string): Box | undefined {
  const number = String.raw`(-?\d*\.?\d+(?:e-?\d+)?)`
  const pattern = new RegExp(Array.from({ length: 4 }, () => number).join(String.raw`[\s,;)(\]\[]+`), 'gi')
  for (const [, a, b, c, d] of text.normalize('NFKC').matchAll(pattern)) {
    const box = [Number(a), Number(b), Number(c), Number(d)] as const
    if (box.every((v) => v >= 0 && v <= 1) && box[0] < box[2] && box[1] < box[3]) return box
  }
  return undefined
}

/** Intersection over union; 0 when a box is missing. */
export function overlap(a: Box | undefined, b: Box | undefined): number {
  if (a === undefined || b === undefined) return 0
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0])
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1])
  const shared = Math.max(0, width) * Math.max(0, height)
  const area = (box: Box): number => (box[2] - box[0]) * (box[3] - box[1])
  return shared / (area(a) + area(b) - shared)
}
