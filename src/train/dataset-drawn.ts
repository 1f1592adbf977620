/** Samples of generators, checked: a generator is the recipe's own code, but what it returns is looked at like a record of a file. */
import { isAbsolute } from 'node:path'
import { XComposerError } from '../common/errors.js'
import type { DrawnSample, ImageLabels, LabelTexts } from '../data/drawn.js'
import type { DrawingPool, GeneratorName } from './drawing-pool.js'

/** A generator that has drawn its first samples. */
export interface DrawnSource {
  readonly name: string
  readonly labels: Partial<LabelTexts>
  /** Whether its samples are text alone. */
  readonly text: boolean
  draw(seed: number, numbers: readonly number[]): Promise<DrawnSample[]>
}

/** Samples that are looked at before the first step. */
const FIRST = [0, 1, 2, 3, 4, 5, 6, 7]

/**
 * Opens a generator. @param patches of the vision tower's grid, which labels of cells must be as many as
 * @throws XComposerError when the module or the generator cannot be opened or draws what is no sample
 */
export async function openDrawn(
  pool: DrawingPool,
  generator: GeneratorName,
  seed: number,
  patches: number,
): Promise<DrawnSource> {
  const name = `${generator.module}: ${generator.generator}`
  const labels = await pool.labels(generator)
  const draw: DrawnSource['draw'] = async (of, numbers) => {
    const samples = await pool.draw(generator, of, numbers)
    samples.forEach((sample, i) => {
      const wrong = fault(sample, patches)
      if (wrong) throw new XComposerError(`${name}: sample ${numbers[i]}: ${wrong}`)
    })
    return samples
  }
  const first = await draw(seed, FIRST)
  return { name, labels, text: first.every(({ image }) => image === undefined), draw }
}

/** What is wrong with a sample. */
function fault({ image, questions, labels }: DrawnSample, patches: number): string | undefined {
  if (!Array.isArray(questions) || questions.length === 0) return 'questions: expected at least one'
  const empty = questions.findIndex(({ question, answer }) => !question?.trim() || !answer?.trim())
  if (empty >= 0) return `questions[${empty}]: expected a question and an answer, both not empty`
  if (typeof image === 'string')
    return isAbsolute(image) ? labelFault(labels, patches) : `image "${image}": expected an absolute path`
  if (image && image.data.length !== image.width * image.height * image.channels)
    return `image: ${image.data.length} bytes, expected ${image.width} x ${image.height} x ${image.channels}`
  return labelFault(labels, patches)
}

function labelFault(labels: ImageLabels | undefined, patches: number): string | undefined {
  const count = labels?.cells?.length ?? patches
  return count === patches ? undefined : `labels.cells: ${count}, expected ${patches}, one for each patch of the vision tower`
}
