/** Answerers that never look at an image: what a model must beat. Fitted on the very questions asked, so they are upper bounds. */

import type { Question } from '../data/questions.js'
import type { Answerer } from './evaluate.js'
import { isCorrect } from './scorers.js'

/** Always gives the accepted answer that is right for most questions of the task. */
export function majorityAnswer(questions: readonly Question[]): Answerer {
  const byTask = new Map<string, Question[]>()
  for (const question of questions) byTask.set(question.task, [...(byTask.get(question.task) ?? []), question])
  const best = new Map([...byTask].map(([task, list]) => [task, mostOftenRight(list)]))
  return async ({ task }) => best.get(task) ?? ''
}

function mostOftenRight(questions: readonly Question[]): string {
  const counts = new Map<string, number>()
  for (const answer of questions.flatMap(({ answers }) => answers)) counts.set(answer, (counts.get(answer) ?? 0) + 1)
  // Counting by the scorer lets near answers (5 % apart, overlapping boxes) support each other; the 50 most frequent suffice.
  const candidates = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 50)
  const rights = candidates.map(([answer]) => questions.filter((q) => isCorrect(q.scorer, answer, q.answers)).length)
  return candidates[rights.indexOf(Math.max(...rights))]?.[0] ?? ''
}
