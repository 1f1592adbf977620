/**
 * Reading a question file: a JSON array or JSON lines of `{id, task, images, question, answers, scorer}`. Everything is checked
 * here, before the first question costs a forward pass. It knows nothing of models or scores.
 */
import { z } from 'zod'
import { InputError } from '../common/errors.js'
import { firstIssue } from '../common/schema-issue.js'
import { firstBox, SCORERS, type ScorerName } from '../evaluate/scorers.js'
import { imagePaths, imagesOf, MissingImageError } from './image-paths.js'
import { readJsonRecords } from './jsonl.js'
import { Mistakes } from './mistakes.js'

export interface Question {
  readonly id: string
  readonly task: string
  /** Real paths of files that exist. */
  readonly images: readonly string[]
  readonly question: string
  /** Any of them is right. A box stands as `[x1, y1, x2, y2]`, fractions of width and height. */
  readonly answers: readonly string[]
  readonly scorer: ScorerName
}

/** A question with its place in the file. */
export interface ReadQuestion extends Question {
  /** `record 7 (line 9)` */
  where(): string
}

export interface QuestionOptions {
  /** What image paths are relative to (default: the file's folder). */
  readonly imageFolder?: string
  /** Questions with an image that is missing are left out and told here; without it they are mistakes. */
  readonly onMissing?: (where: string, message: string) => void
}

const Box = z.tuple([z.number(), z.number(), z.number(), z.number()])

const Line = z.strictObject({
  id: z.union([z.string().min(1), z.number()], { error: 'expected a text or a number' }).transform(String),
  task: z.string().min(1),
  // Looked at by imagePaths, as in training records.
  image: z.unknown().optional(),
  images: z.unknown().optional(),
  question: z.string().min(1),
  answers: z
    .array(z.union([z.string(), z.number(), Box]))
    .min(1)
    .transform((answers) => answers.map((answer) => (Array.isArray(answer) ? `[${answer.join(', ')}]` : String(answer)))),
  scorer: z.enum(Object.keys(SCORERS) as [ScorerName, ...ScorerName[]]),
})

/**
 * All questions of a file, in order.
 * @throws InputError when the file cannot be read or has no questions; MistakesError with the first ten records at fault: broken
 * JSON, a wrong field, an image that is missing or outside its folder, an id twice
 */
export function readQuestions(file: string, { imageFolder, onMissing }: QuestionOptions = {}): ReadQuestion[] {
  const mistakes = new Mistakes(file)
  const read = readJsonRecords(file, mistakes)
  const imageFile = imagesOf(file, imageFolder, '--images')
  const questions: ReadQuestion[] = []
  const places = new Map<string, () => string>()
  for (const { value, where } of read) {
    try {
      const { image: _, images: __, ...question } = readQuestion(value)
      const before = places.get(question.id)
      if (before) throw new InputError(`id: "${question.id}" already stands in ${before()}; ids must be unique`)
      places.set(question.id, where)
      const images = imagePaths(value as Record<string, unknown>).map(imageFile)
      questions.push({ ...question, images, where })
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      if (onMissing && error instanceof MissingImageError) onMissing(where(), error.message)
      else mistakes.add(where(), error.message)
    }
  }
  mistakes.stop()
  if (read.length === 0) throw new InputError(`${file}: no questions; expected a JSON array or JSON lines of them`)
  return questions
}

function readQuestion(value: unknown): z.infer<typeof Line> {
  const parsed = Line.safeParse(value)
  if (!parsed.success) {
    const { field, message } = firstIssue(parsed.error, value, Line)
    throw new InputError(`${field || 'record'}: ${message}`)
  }
  const { scorer, answers } = parsed.data
  const wrong = scorer === 'box' ? answers.find((answer) => firstBox(answer) === undefined) : undefined
  if (wrong !== undefined)
    throw new InputError(`answers: "${wrong}", expected [x1, y1, x2, y2] with 0 <= x1 < x2 <= 1, same for y`)
  return parsed.data
}
