/** A few questions of each task asked of a model that is being trained: points of its learning curves. */
import type { Question } from '../data/questions.js'
import { XComposer } from '../inference/xcomposer.js'
import { batchAnswerer } from './answerer.js'
import { evaluate } from './evaluate.js'

const BATCH = 16
/** Longer answers are wrong, or they go round in circles. */
const MAX_NEW_TOKENS = 24

/** Right and asked by task. @param dir a model directory */
export async function probeModel(
  dir: string,
  questions: readonly Question[],
  options: { readonly threads?: number; readonly signal?: AbortSignal } = {},
): Promise<Record<string, { right: number; asked: number }>> {
  const { threads, signal } = options
  const model = await XComposer.load(dir, threads === undefined ? {} : { threads })
  try {
    const answerer = batchAnswerer(model, BATCH, { maxNewTokens: MAX_NEW_TOKENS, ...(signal ? { signal } : {}) })
    const { predictions } = await evaluate(questions, answerer, signal ? { signal } : {})
    const scores: Record<string, { right: number; asked: number }> = {}
    for (const { task, correct } of predictions) {
      const { right = 0, asked = 0 } = scores[task] ?? {}
      scores[task] = { right: right + (correct ? 1 : 0), asked: asked + 1 }
    }
    return scores
  } finally {
    await model.dispose()
  }
}
