/**
 * What the vision tower alone can tell of the questions of a probe: the name by the classifier that learns beside it. Next to the model's
 * own answers this shows whether a name is lost in the tower or behind it.
 */

import type { Question } from '../data/questions.js'
import { linear, mean } from '../engine/index.js'
import { normalise } from '../image/preprocess.js'
import { ImageStore } from './dataset-images.js'
import { labelHeads } from './objectives/label-terms.js'
import { normalised } from './objectives/objective.js'
import type { Answered } from './probe.js'
import type { TrainingGraph } from './training-graph.js'

/** Images in one pass. */
const AT_ONCE = 50

/** Of those questions about one image whose answer is a name. @param names classes in order @param size side of images in pixels */
export async function towerProbe(
  graph: TrainingGraph,
  names: readonly string[],
  questions: readonly Question[],
  size: number,
): Promise<Answered[]> {
  const classes = new Map(names.map((name, i) => [name, i]))
  const named = questions.filter(({ images, answers }) => images.length === 1 && answers.some((a) => classes.has(a)))
  const store = new ImageStore(size, 0)
  const answered: Answered[] = []
  for (let start = 0; start < named.length; start += AT_ONCE) {
    const part = named.slice(start, start + AT_ONCE)
    const each = 3 * size * size
    const pixels = new Float32Array(part.length * each)
    const images = await Promise.all(part.map(({ images }) => store.get(images[0] as string, 'none')))
    images.forEach((image, i) => {
      normalise(image, undefined, undefined, pixels, i * each)
    })
    const empty = new Int32Array(0)
    const batch = { rows: part.length, length: 0, ids: empty, labels: empty, imagePositions: empty, pixels, images: part.length }
    const logits = await graph.evaluate(batch, [part.length, names.length], (g, network) =>
      linear(g, normalised(g, mean(g, network.features(g), 1)), network.weights.tensor(g, labelHeads.names)),
    )
    part.forEach(({ task, answers }, row) => {
      const own = logits.subarray(row * names.length, (row + 1) * names.length)
      const best = own.indexOf(Math.max(...own))
      answered.push({ task, correct: answers.some((a) => classes.get(a) === best) })
    })
  }
  return answered
}
