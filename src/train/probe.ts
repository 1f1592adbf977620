/**
 * The probe of a run: which questions are asked, and its line in `probes.jsonl` with what the model and its vision tower alone answer. Who
 * asks the model is given; it knows no optimiser and no checkpoint.
 */
import { appendFileSync } from 'node:fs'
import { type Question, questionTurns, readQuestions } from '../data/questions.js'
import type { RecipeProbe } from './recipe.js'

/** Whether a question of a task was answered right. */
export interface Answered {
  readonly task: string
  readonly correct: boolean
}

interface Counts {
  readonly right: number
  readonly asked: number
}

/** The first questions of each task of each file. @throws InputError when a file cannot be read */
export function probeQuestions({ files, questions }: RecipeProbe): Question[] {
  return files.flatMap((file) => {
    const all = readQuestions(file)
    const turns = questionTurns(all)
    return all.filter((_, i) => (turns[i] as number) < questions)
  })
}

/** Adds a line to the file and gives it as text. Answers are of the `model` and of the `tower`, where these were asked. */
export function noteProbe(
  file: string,
  step: { readonly step: number; readonly samples: number },
  answers: Readonly<Record<string, readonly Answered[] | undefined>>,
): string {
  const asked = Object.entries(answers).flatMap(([of, list]) => (list ? [[of, tally(list)] as const] : []))
  appendFileSync(file, `${JSON.stringify({ ...step, ...Object.fromEntries(asked) })}\n`)
  const scores = asked.flatMap(([of, tasks]) =>
    Object.entries(tasks).map(
      ([task, { right, asked }]) => `${of === 'model' ? '' : `${of} `}${task} ${Math.round((100 * right) / asked)} %, `,
    ),
  )
  return `step ${step.step}: ${scores.join('')}`
}

function tally(answers: readonly Answered[]): Record<string, Counts> {
  const counts: Record<string, Counts> = {}
  for (const { task, correct } of answers) {
    const { right = 0, asked = 0 } = counts[task] ?? {}
    counts[task] = { right: right + (correct ? 1 : 0), asked: asked + 1 }
  }
  return counts
}
