/**
 * Reading a question file: a JSON array or JSON lines of `{id, task, images, question, answers, scorer}`. Everything is checked
 * here, before the first question costs a forward pass. It knows nothing of models, and of scorers only their names.
 */
import { z } from 'zod'
import { InputError } from '../common/errors.js'
import { firstIssue } from '../common/schema-issue.js'
import { firstBox } from './box.js'
import { gatherRecords, type OnMissing } from './gather-records.js'
import { imagePaths, imagesOf } from './image-paths.js'
import { readJsonRecords } from './jsonl.js'
import { Mistakes } from './mistakes.js'

/** How a reply may be judged; `evaluate/scorers.ts` says what each means. */
export const SCORER_NAMES = ['exact', 'contains', 'choice', 'relaxed', 'box', 'reference-choice', 'reference-yes-no'] as const
export type ScorerName = (typeof SCORER_NAMES)[number]

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

/** The number of each question within its task, from 0. */
export function questionTurns(questions: readonly Pick<Question, 'task'>[]): number[] {
  const seen = new Map<string, number>()
  return questions.map(({ task }) => {
    const turn = seen.get(task) ?? 0
    seen.set(task, turn + 1)
    return turn
  })
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
  readonly onMissing?: OnMissing
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
  scorer: z.enum(SCORER_NAMES),
})

/** What one record asks; its images as the record spells them. */
export interface AskedRecord extends Omit<Question, 'images'> {
  readonly images: readonly string[]
}

/** All questions of a file of this project's own form, in order. @throws as readQuestionFile */
export function readQuestions(file: string, options: QuestionOptions = {}): ReadQuestion[] {
  return readQuestionFile(file, options, (value) => {
    const { image: _, images: __, ...question } = readQuestion(value)
    return { ...question, images: imagePaths(value as Record<string, unknown>) }
  })
}

/**
 * The questions of a file of JSON records, which `read` makes of each: what every benchmark's file goes through.
 * @param read throws InputError `field: what is wrong`
 * @throws InputError when the file cannot be read or has no questions; MistakesError with the first ten records at fault: broken
 * JSON, a wrong field, an image that is missing or outside its folder, an id twice
 */
export function readQuestionFile(
  file: string,
  { imageFolder, onMissing }: QuestionOptions,
  read: (value: unknown, index: number) => AskedRecord,
): ReadQuestion[] {
  const mistakes = new Mistakes(file)
  const records = readJsonRecords(file, mistakes)
  const imageFile = imagesOf(file, imageFolder, '--images')
  const places = new Map<string, () => string>()
  const questions = gatherRecords(records, mistakes, onMissing, ({ value, where }, index): ReadQuestion => {
    const question = read(value, index)
    const before = places.get(question.id)
    if (before) throw new InputError(`id: "${question.id}" already stands in ${before()}; ids must be unique`)
    places.set(question.id, where)
    return { ...question, images: question.images.map(imageFile), where }
  })
  if (records.length === 0) throw new InputError(`${file}: no questions; expected a JSON array or JSON lines of them`)
  return questions
}

/** A record checked by a schema. @throws InputError naming its first field at fault */
export function checkedRecord<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const { field, message } = firstIssue(parsed.error, value, schema)
  throw new InputError(`${field || 'record'}: ${message}`)
}

function readQuestion(value: unknown): z.infer<typeof Line> {
  const line = checkedRecord(Line, value)
  const { scorer, answers } = line
  const wrong = scorer === 'box' ? answers.find((answer) => firstBox(answer) === undefined) : undefined
  if (wrong !== undefined)
    throw new InputError(`answers: "${wrong}", expected [x1, y1, x2, y2] with 0 <= x1 < x2 <= 1, same for y`)
  return line
}
