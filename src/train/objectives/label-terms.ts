/**
 * Classifiers on the vision tower for what is known of images (image-labels.ts): the name and the shared words from the mean of the
 * features, what stands in a patch from the patch's own row, all normalised so that growth of the features does not matter. They stand in
 * for a pretrained CLIP, keep the tower able to tell things apart while it learns with the decoder, and are no part of the model.
 */
import { add, type Graph, mean, type Tensor } from '../../engine/index.js'
import type { ModelConfig } from '../../model/config.js'
import type { ParameterSpec } from '../../model/parameter-spec.js'
import type { TrainingBatch } from '../batch.js'
import type { Network } from '../network.js'
import type { ImageClasses, LabelKind } from './image-labels.js'
import { normalised, type Term, termLoss, termRows } from './objective.js'

/** The classifier of each kind, [classes, width]. */
export const labelHeads: Readonly<Record<LabelKind, string>> = {
  names: 'classifier.names.weight',
  words: 'classifier.words.weight',
  cells: 'classifier.cells.weight',
}

/** Names of a term's inputs in the graph. */
const termNames: Readonly<Record<LabelKind, string>> = { names: 'name', words: 'word', cells: 'cell' }

/** Kinds that the data have: a classifier of one class has nothing to learn. */
function kindsOf(classes: ImageClasses): LabelKind[] {
  return (Object.keys(labelHeads) as LabelKind[]).filter((kind) => classes[kind].size > 1)
}

export function labelParameters({ vision }: ModelConfig, classes: ImageClasses): ParameterSpec[] {
  const width = vision?.hiddenSize ?? 0
  return kindsOf(classes).map((kind) => ({
    name: labelHeads[kind],
    shape: [classes[kind].size, width],
    part: 'vision',
    role: 'classifier',
  }))
}

/** What the images of a batch have to teach. `weight` is shared by the words of an image, and by its cells. */
export function labelTerms(
  batch: TrainingBatch,
  classes: ImageClasses,
  weight: number,
): { images: number; terms: [string, Term][] } {
  const lists = { names: [] as Target[], words: [] as Target[], cells: [] as Target[] }
  let images = 0
  batch.imageLabels?.forEach((labels, image) => {
    const found = (kind: LabelKind, texts: readonly string[]): number => {
      const known = texts.flatMap((text, cell) => {
        const number = classes[kind].get(text)
        return number === undefined ? [] : [{ places: kind === 'cells' ? [image, cell] : [image], class: number }]
      })
      lists[kind].push(...known.map((t) => ({ ...t, weight: weight / known.length })))
      return known.length
    }
    const name = labels.name === undefined ? 0 : found('names', [labels.name])
    const count = name + found('words', labels.words ?? []) + found('cells', labels.cells ?? [])
    if (count > 0) images++
  })
  const terms = kindsOf(classes).map((kind): [string, Term] => [
    termNames[kind],
    {
      places: lists[kind].flatMap((t) => t.places),
      rank: kind === 'cells' ? 2 : 1,
      ids: lists[kind].map((t) => t.class),
      weights: lists[kind].map((t) => t.weight),
    },
  ])
  return { images, terms }
}

interface Target {
  readonly places: readonly number[]
  readonly class: number
  readonly weight: number
}

/** Sum of the terms: features [images, patches, width]. Undefined where the data have no labels. */
export function labelLoss(g: Graph, network: Network, features: Tensor, classes: ImageClasses): Tensor | undefined {
  const pooled = normalised(g, mean(g, features, 1))
  const losses = kindsOf(classes).map((kind) => {
    const rows =
      kind === 'cells' ? normalised(g, termRows(g, features, termNames[kind], 2)) : termRows(g, pooled, termNames[kind], 1)
    return termLoss(g, network, rows, labelHeads[kind], termNames[kind])
  })
  return losses.length === 0 ? undefined : losses.reduce((sum, loss) => add(g, sum, loss))
}
