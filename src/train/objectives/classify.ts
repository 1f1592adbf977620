/** Classification of images by the classifiers of label-terms.ts alone: the vision warm-up, which needs no language model. */
import type { Tensor } from '../../engine/index.js'
import { expectNames, imageClasses } from './image-labels.js'
import { labelLoss, labelParameters, labelTerms } from './label-terms.js'
import type { Objective, ObjectiveSetup } from './objective.js'

/** A target is an image: its words weigh as much together as its name, and so do its cells. @throws InputError for fewer than two names */
export function classify({ config, labels }: ObjectiveSetup): Objective {
  expectNames(labels)
  const classes = imageClasses(labels)
  return {
    parameters: labelParameters(config, classes),
    initial: new Map(),
    variant: () => 'classify',
    targets(batch) {
      const { images, terms } = labelTerms(batch, classes, 1)
      return { count: images, terms: new Map(terms) }
    },
    loss: (g, network) => labelLoss(g, network, network.features(g), classes) as Tensor,
  }
}
