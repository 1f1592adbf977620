/** Questions asked of a model directory that is opened for them alone: probes of a training, scores of a card. */
import type { Question } from '../data/questions.js'
import { XComposer } from '../inference/xcomposer.js'
import { batchAnswerer } from './answerer.js'
import { evaluate, type Prediction } from './evaluate.js'

const BATCH = 16

export interface AskOptions {
  /** Longest reply in tokens. */
  readonly maxNewTokens: number
  /** Whether the model is given the images (default true). */
  readonly images?: boolean
  readonly threads?: number
  readonly signal?: AbortSignal
}

/** The model's greedy replies and whether they are right. @throws as XComposer.load and evaluate */
export async function askModel(
  dir: string,
  questions: readonly Question[],
  { images = true, threads, ...options }: AskOptions,
): Promise<Prediction[]> {
  const model = await XComposer.load(dir, threads === undefined ? {} : { threads })
  try {
    const { predictions } = await evaluate(questions, batchAnswerer(model, BATCH, options, images), options)
    return predictions
  } finally {
    await model.dispose()
  }
}
