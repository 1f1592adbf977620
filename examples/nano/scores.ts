// What nano is asked for its card: every held-out set with and without pictures, in which language it answers, and how well it still
// predicts text. Writes nothing.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ReadQuestion, readQuestions } from '../../src/data/questions.js'
import { askModel } from '../../src/evaluate/ask-model.js'
import type { Prediction } from '../../src/evaluate/evaluate.js'
import { report, type Score } from '../../src/evaluate/report.js'
import { divergence } from '../../src/quantize/divergence.js'
import { workRoot } from './paths.js'

const sets = ['naming_known', 'naming_unseen', 'flags', 'ocr', 'pointing', 'counting', 'charts']
/** The longest right answer is far shorter. */
const asking = { maxNewTokens: 32 }

export interface TaskScore {
  readonly model: Score
  /** Not given the picture. */
  readonly blind: Score
  /** The same recipe's last stage with other seeds. */
  readonly seeds: readonly Score[]
}

export interface Scores {
  readonly tasks: Readonly<Record<string, TaskScore>>
  /** Answers in words that are in the question's language. */
  readonly language: Score
  /** Of held-out documents, before pictures and after. */
  readonly perplexity?: { readonly before: number; readonly after: number }
}

/** Asks a model, and models of other seeds. @param language the model that step 0 left */
export async function askEverything(dir: string, seeds: readonly string[], language?: string): Promise<Scores> {
  const questions = sets.flatMap((set) => readQuestions(join(workRoot, 'eval', `${set}.jsonl`)))
  const seeing = await askModel(dir, questions, asking)
  const blind = report(await askModel(dir, questions, { ...asking, images: false })).tasks
  const others: Readonly<Record<string, Score>>[] = []
  for (const seed of seeds) others.push(report(await askModel(seed, questions, asking)).tasks)
  const tasks = Object.entries(report(seeing).tasks).map(([task, model]): [string, TaskScore] => [
    task,
    { model, blind: blind[task] as Score, seeds: others.flatMap((scores) => scores[task] ?? []) },
  ])
  return {
    tasks: Object.fromEntries(tasks),
    language: languageScore(questions, seeing),
    ...(language ? { perplexity: await perplexity(language, dir) } : {}),
  }
}

const chinese = (text: string): boolean => /\p{Script=Han}/u.test(text)

/** Numbers, boxes and printed words are the same in both languages: only questions whose right answer is a word of one count. */
function languageScore(questions: readonly ReadQuestion[], predictions: readonly Prediction[]): Score {
  const replies = new Map(predictions.map(({ id, reply }) => [id, reply]))
  const inWords = questions.filter(({ task, answers }) => task !== 'ocr' && /\p{L}/u.test(answers[0] ?? ''))
  const scored = inWords.map(({ id, question }) => {
    const reply = replies.get(id) ?? ''
    return { task: 'language', correct: /\p{L}/u.test(reply) && chinese(reply) === chinese(question) }
  })
  return report(scored).overall
}

async function perplexity(before: string, after: string): Promise<{ before: number; after: number }> {
  const text = readFileSync(join(workRoot, 'eval', 'text.txt'), 'utf8')
  const { reference, other } = (await divergence(before, after, text)).perplexity
  return { before: reference, after: other }
}
