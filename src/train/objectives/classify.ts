/**
 * Classification of images: their name and the words that they share, from the mean of the vision tower's features, normalised so that
 * their growth does not matter. It stands in for a pretrained CLIP; its classifiers are no part of the model.
 */
import { add, mean } from '../../engine/index.js'
import type { ParameterSpec } from '../../model/parameter-spec.js'
import { type ImageTarget, imageClasses, imageTargets } from './image-labels.js'
import { normalised, type Objective, type ObjectiveSetup, type Targets, type Term, termLoss, termRows } from './objective.js'

const nameHead = 'classifier.names.weight'
const wordHead = 'classifier.words.weight'

/** Without shared words in the data there is a classifier for the names alone. @throws InputError for fewer than two names */
export function classify({ config, tokenizer, records }: ObjectiveSetup): Objective {
  const classes = imageClasses(records)
  const width = config.vision?.hiddenSize ?? 0
  const head = (name: string, count: number): ParameterSpec[] =>
    count === 0 ? [] : [{ name, shape: [count, width], part: 'vision', role: 'classifier' }]
  const hasWords = classes.words.size > 0
  return {
    parameters: [...head(nameHead, classes.names.size), ...head(wordHead, classes.words.size)],
    initial: new Map(),
    variant: () => 'classify',
    targets(batch) {
      const { names, words } = imageTargets(batch, tokenizer, classes)
      return classTargets(names, hasWords ? words : undefined)
    },
    loss(g, network) {
      const pooled = normalised(g, mean(g, network.features(g), 1))
      const loss = (name: string, term: string) => termLoss(g, network, termRows(g, pooled, term, 1), name, term)
      const names = loss(nameHead, 'target')
      return hasWords ? add(g, names, loss(wordHead, 'word')) : names
    },
  }
}

/** A target is an image; its words weigh as much together as its name. */
function classTargets(names: readonly ImageTarget[], words: readonly ImageTarget[] | undefined): Targets {
  const term = (targets: readonly ImageTarget[]): Term => ({
    places: targets.map((t) => t.image),
    rank: 1,
    ids: targets.map((t) => t.class),
  })
  const images = new Set([...names, ...(words ?? [])].map((t) => t.image))
  const terms = new Map<string, Term>([['target', term(names)]])
  if (words) {
    const counts = new Map<number, number>()
    for (const { image } of words) counts.set(image, (counts.get(image) ?? 0) + 1)
    terms.set('word', { ...term(words), weights: words.map(({ image }) => 1 / (counts.get(image) as number)) })
  }
  return { count: images.size, terms }
}
