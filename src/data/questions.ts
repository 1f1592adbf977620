/**
 * Reading a question file: JSON Lines, one `{id, task, images, question, answers, scorer}` a line, image paths relative to the
 * file. Everything is checked here, before the first question costs a forward pass. It knows nothing of models or scores.
 */
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { type ConfinedFile, confinedTo } from '../common/confined-path.js'
import { InputError } from '../common/errors.js'
import { firstIssue } from '../common/schema-issue.js'
import { firstBox, SCORERS, type ScorerName } from '../evaluate/scorers.js'

export interface Question {
  readonly id: string
  readonly task: string
  /** Absolute paths of files that exist. */
  readonly images: readonly string[]
  readonly question: string
  /** Any of them is right. A box stands as `[x1, y1, x2, y2]`, fractions of width and height. */
  readonly answers: readonly string[]
  readonly scorer: ScorerName
}

const Box = z.tuple([z.number(), z.number(), z.number(), z.number()])

const Line = z.strictObject({
  id: z.string().min(1),
  task: z.string().min(1),
  images: z.array(z.string().min(1)),
  question: z.string().min(1),
  answers: z
    .array(z.union([z.string(), z.number(), Box]))
    .min(1)
    .transform((answers) => answers.map((answer) => (Array.isArray(answer) ? `[${answer.join(', ')}]` : String(answer)))),
  scorer: z.enum(Object.keys(SCORERS) as [ScorerName, ...ScorerName[]]),
})

/** All questions of a file, in order. Throws InputError with file and line: broken JSON, a wrong field, a missing image, an id twice. */
export function readQuestions(file: string): Question[] {
  const text = readText(file)
  const questions: Question[] = []
  const lineOf = new Map<string, number>()
  const confined = confinedTo(dirname(file))
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const where = `${file}:${i + 1}`
    const question = readLine(line, where, confined)
    const before = lineOf.get(question.id)
    if (before !== undefined)
      throw new InputError(`${where}: id: "${question.id}" already stands in line ${before}; ids must be unique`)
    lineOf.set(question.id, i + 1)
    questions.push(question)
  }
  if (questions.length === 0) throw new InputError(`${file}: no questions, expected one JSON record a line`)
  return questions
}

function readText(file: string): string {
  try {
    // TextDecoder drops a byte order mark and, being fatal, refuses what is not UTF-8.
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file))
  } catch (error) {
    throw new InputError(`${file}: expected a readable UTF-8 file: ${(error as Error).message}`)
  }
}

function readLine(line: string, where: string, confined: ConfinedFile): Question {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw new InputError(`${where}: expected a JSON record: ${(error as Error).message}`)
  }
  const parsed = Line.safeParse(value)
  if (!parsed.success) {
    const { field, message } = firstIssue(parsed.error, value, Line)
    throw new InputError(`${where}: ${field || 'record'}: ${message}`)
  }
  const { scorer, answers } = parsed.data
  if (scorer === 'box') {
    const wrong = answers.find((answer) => firstBox(answer) === undefined)
    if (wrong !== undefined)
      throw new InputError(`${where}: answers: "${wrong}", expected [x1, y1, x2, y2] with 0 <= x1 < x2 <= 1, same for y`)
  }
  return { ...parsed.data, images: parsed.data.images.map((image) => imageFile(image, where, confined)) }
}

function imageFile(image: string, where: string, confined: ConfinedFile): string {
  try {
    return confined(image)
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${where}: images: ${error.message}`) : error
  }
}
