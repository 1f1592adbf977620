/** Asks every question, scores every reply. It does not know who answers: a model, or a baseline (see baselines.ts). */
import { InputError } from '../common/errors.js'
import type { Question } from '../data/questions.js'
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
  readonly onProgress?: (done: number, total: number, prediction: Prediction) => void
}

/** Asks the questions in their order, one by one or in batches. What `answer` throws ends the evaluation: a broken run is not a score of 0. */
export async function evaluate(
  questions: readonly Question[],
  answer: Answerer | BatchAnswerer,
  { limit = Number.POSITIVE_INFINITY, onProgress }: EvaluateOptions = {},
): Promise<{ report: Report; predictions: Prediction[] }> {
  if (!(limit >= 1)) throw new InputError(`limit: got ${limit}, expected a whole number >= 1`)
  const asked = limit < questions.length ? fairShare(questions, limit) : questions
  const predictions: Prediction[] = []
  const answerer = typeof answer === 'function' ? oneByOne(answer) : answer
  const { size } = answerer
  if (!Number.isInteger(size) || size < 1) throw new InputError(`size: got ${size}, expected a whole number >= 1`)
  for (let start = 0; start < asked.length; start += size) {
    const batch = asked.slice(start, start + size)
    const replies = await answerer.answer(batch)
    for (const [i, { id, task, scorer, answers }] of batch.entries()) {
      const reply = replies[i] as string
      const prediction = { id, task, reply, correct: isCorrect(scorer, reply, answers) }
      predictions.push(prediction)
      onProgress?.(predictions.length, asked.length, prediction)
    }
  }
  return { report: report(predictions), predictions }
}

function oneByOne(answer: Answerer): BatchAnswerer {
  return { size: 1, answer: (questions) => Promise.all(questions.map(answer)) }
}

/** The first questions of every task, in file order. */
function fairShare(questions: readonly Question[], limit: number): Question[] {
  const seen = new Map<string, number>()
  const turns = questions.map((question, index) => {
    const turn = seen.get(question.task) ?? 0
    seen.set(question.task, turn + 1)
    return { question, turn, index }
  })
  const chosen = turns.sort((a, b) => a.turn - b.turn || a.index - b.index).slice(0, limit)
  return chosen.sort((a, b) => a.index - b.index).map(({ question }) => question)
}
