/**
 * Next-token prediction: the position before each label predicts it (SPEC 4, loss), with images or without. Where a recipe gives
 * `label_loss`, the classifiers of label-terms.ts go on beside it.
 */
import { add, type Graph, type Tensor } from '../../engine/index.js'
import type { TrainingBatch } from '../batch.js'
import type { Network } from '../network.js'
import { imageClasses } from './image-labels.js'
import { labelLoss, labelParameters, labelTerms } from './label-terms.js'
import { type Objective, type ObjectiveSetup, type Term, termIndex, termLoss } from './objective.js'

/** What classifiers beside the answers need; without it there are none. */
type Labelled = Pick<ObjectiveSetup, 'config' | 'labels' | 'labelWeight'>

export function nextToken({ config, labels, labelWeight }: Partial<Labelled> = {}): Objective {
  const classes = labels && labelWeight ? imageClasses(labels) : undefined
  const answers = (g: Graph, network: Network, features?: Tensor): Tensor =>
    termLoss(g, network, network.hidden(g, termIndex(g, 'target', 2), features), 'output.weight', 'target')
  return {
    parameters: classes && config ? labelParameters(config, classes) : [],
    initial: new Map(),
    // A text batch needs no vision tower and no rows of images.
    variant: ({ images }) => (images > 0 ? 'images' : 'text'),
    targets(batch) {
      const target = answerTerm(batch)
      const more = classes ? labelTerms(batch, classes, labelWeight ?? 0).terms : []
      return { count: target.ids.length, terms: new Map([['target', target], ...more]) }
    },
    loss(g, network, variant) {
      if (variant === 'text') return answers(g, network)
      const features = network.features(g)
      const loss = answers(g, network, features)
      const more = classes && labelLoss(g, network, features, classes)
      return more ? add(g, loss, more) : loss
    },
  }
}

/** Pairs [row, column] and label ids. */
function answerTerm(batch: TrainingBatch): Term {
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
  return { places, rank: 2, ids }
}
