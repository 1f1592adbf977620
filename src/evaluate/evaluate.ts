/** Asks every question, scores every reply. It does not know who answers: a model, or a baseline (see baselines.ts). */
import { InputError } from '../common/errors.js'
import { type Question, questionTurns } from '../data/questions.js'
import { type Report, report } from './report.js'
import { isCorrect } from './scorers.js'

export type Answerer = (question: Question) => Promise<string>

/** Answers several questions at once, at most `size`: a reply for each. */
export interface BatchAnswerer {
  readonly size: number
  answer(questions: readonly Question[]): Promise<readonly string[]>
}

export interface Prediction {
  readonly id: string
  readonly task: string
  readonly reply: string
  readonly correct: boolean
}

export interface EvaluateOptions {
  /** At most this many questions, taken from the tasks in turn so that each is represented. */
  readonly limit?: number
  /** Replies that are there already, by id: these questions are not asked again. */
  readonly replies?: ReadonlyMap<string, string>
  /** `done` counts replies that were there already. */
  readonly onProgress?: (done: number, total: number, prediction: Prediction) => void
  /** Looked at before each batch; what answers looks at its own. */
  readonly signal?: AbortSignal
}

/**
 * Asks the questions in their order, one by one or in batches. What `answer` throws ends the evaluation: a broken run is not a score
 * of 0.
 * @throws InputError for a limit or size below 1; the signal's reason when aborted
 */
export async function evaluate(
  questions: readonly Question[],
  answer: Answerer | BatchAnswerer,
  { limit, replies = new Map(), onProgress, signal }: EvaluateOptions = {},
): Promise<{ report: Report; predictions: Prediction[] }> {
  const asked = chooseQuestions(questions, limit)
  const made = new Map<string, Prediction>()
  for (const question of asked) {
    const reply = replies.get(question.id)
    if (reply !== undefined) made.set(question.id, predictionOf(question, reply))
  }
  const waiting = asked.filter(({ id }) => !made.has(id))
  const answerer = typeof answer === 'function' ? oneByOne(answer) : answer
  const { size } = answerer
  if (!Number.isInteger(size) || size < 1) throw new InputError(`size: got ${size}, expected a whole number >= 1`)
  for (let start = 0; start < waiting.length; start += size) {
    signal?.throwIfAborted()
    const batch = waiting.slice(start, start + size)
    const given = await answerer.answer(batch)
    for (const [i, question] of batch.entries()) {
      const prediction = predictionOf(question, given[i] as string)
      made.set(question.id, prediction)
      onProgress?.(made.size, asked.length, prediction)
    }
  }
  const predictions = asked.map(({ id }) => made.get(id) as Prediction)
  return { report: report(predictions), predictions }
}

function predictionOf({ id, task, scorer, answers }: Question, reply: string): Prediction {
  return { id, task, reply, correct: isCorrect(scorer, reply, answers) }
}

/**
 * At most `limit` of the questions, taken from the tasks in turn, in file order.
 * @throws InputError for a limit below 1
 */
export function chooseQuestions<T extends Question>(questions: readonly T[], limit = Number.POSITIVE_INFINITY): readonly T[] {
  if (!(limit >= 1)) throw new InputError(`limit: got ${limit}, expected a whole number >= 1`)
  return limit < questions.length ? fairShare(questions, limit) : questions
}

function oneByOne(answer: Answerer): BatchAnswerer {
  return { size: 1, answer: (questions) => Promise.all(questions.map(answer)) }
}

/** The first questions of every task, in file order. */
function fairShare<T extends Question>(questions: readonly T[], limit: number): T[] {
  const turns = questionTurns(questions)
  const indexed = questions.map((question, index) => ({ question, turn: turns[index] as number, index }))
  const chosen = indexed.sort((a, b) => a.turn - b.turn || a.index - b.index).slice(0, limit)
  return chosen.sort((a, b) => a.index - b.index).map(({ question }) => question)
}
