/** Next-token prediction: the position before each label predicts it (SPEC 4, loss), with images or without. */
import type { TrainingBatch } from '../batch.js'
import { type Objective, type Targets, termLoss, termRows } from './objective.js'

export const nextToken: Objective = {
  parameters: [],
  initial: new Map(),
  // A text batch needs no vision tower and no rows of images.
  variant: ({ images }) => (images > 0 ? 'images' : 'text'),
  targets,
  loss(g, network, variant) {
    const hidden = network.hidden(g, variant === 'images')
    return termLoss(g, network, termRows(g, hidden, 'target', 2), 'output.weight', 'target')
  },
}

/** Pairs [row, column] and label ids. */
function targets(batch: TrainingBatch): Targets {
  const places: number[] = []
  const ids: number[] = []
  for (let row = 0; row < batch.rows; row++) {
    for (let column = 1; column < batch.length; column++) {
      const label = batch.labels[row * batch.length + column] as number
      if (label < 0) continue
      places.push(row, column - 1)
      ids.push(label)
    }
  }
  return { count: ids.length, terms: new Map([['target', { places, rank: 2, ids }]]) }
}
