/**
 * Alignment: projected rows of an image against the directions of all names in the language model's embedding space, each row by itself,
 * as the decoder will read it. Only directions are learned; at the end the projector's last layer is scaled so that rows of
 * images are as large as those of words.
 */
import { InputError } from '../../common/errors.js'
import { mean, mul } from '../../engine/index.js'
import type { VisionConfig } from '../../model/config.js'
import { imageTokens, modelProjector } from '../../model/image-rows.js'
import { embeddingTable } from '../../model/parameter-spec.js'
import type { Tokenizer } from '../../text/tokenizer.js'
import type { TrainingBatch } from '../batch.js'
import { expectNames, imageClasses } from './image-labels.js'
import { normalised, type Objective, type ObjectiveSetup, type Targets, termLoss, termRows } from './objective.js'

const nameHead = 'classifier.directions.weight'

/** Rows of an image that are looked at in one step: evenly spread, the first one another for each image. */
const ALIGNED_ROWS = 8

/** @throws InputError for fewer than two names, or a model without words */
export function align({ config, initial, tokenizer, labels }: ObjectiveSetup): Objective {
  expectNames(labels)
  const classes = imageClasses(labels).names
  const width = config.decoder.hiddenSize
  const words = initial.get(embeddingTable)
  if (!words) throw new InputError('stage align: expected from, a model whose words the images are brought to')
  const tokens = imageTokens(config)
  return {
    // A part that is frozen in this stage: the directions do not learn.
    parameters: [{ name: nameHead, shape: [classes.size, width], part: 'decoder', role: 'classifier' }],
    initial: new Map([[nameHead, nameDirections(labels.names, tokenizer, words, width)]]),
    variant: () => 'align',
    targets: (batch) => rowTargets(namedImages(batch, classes), tokens),
    loss(g, network) {
      const rows = termRows(g, network.projected(g), 'target', 2)
      return termLoss(g, network, normalised(g, rows), nameHead, 'target')
    },
    async afterTraining(graph, batch) {
      const squares = await graph.evaluate(batch, [batch.images, tokens], (g, network) => {
        const rows = network.projected(g)
        return mean(g, mul(g, rows, rows), 2)
      })
      const factor = Math.sqrt(average(words.map((v) => v * v)) / average(squares))
      const { output } = modelProjector(config, config.vision as VisionConfig)
      const { parameters } = graph
      for (const t of parameters.tensors) {
        if (!t.name.startsWith(`${output}.`)) continue
        const values = parameters.view(parameters.weights, t)
        for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) * factor
      }
    },
  }
}

interface NamedImage {
  readonly image: number
  readonly class: number
}

function namedImages({ imageLabels = [] }: TrainingBatch, classes: ReadonlyMap<string, number>): NamedImage[] {
  return imageLabels.flatMap(({ name = '' }, image) => {
    const number = classes.get(name)
    return number === undefined ? [] : [{ image, class: number }]
  })
}

/** Some of the `rows` of each image that has a name, and the name's class. */
function rowTargets(names: readonly NamedImage[], rows: number): Targets {
  const count = Math.min(ALIGNED_ROWS, rows)
  const rowOf = (image: number, i: number): number => (image + Math.floor((i * rows) / count)) % rows
  const chosen = names.flatMap((t) => Array.from({ length: count }, (_, i) => ({ ...t, row: rowOf(t.image, i) })))
  const term = { places: chosen.flatMap((t) => [t.image, t.row]), rank: 2, ids: chosen.map((t) => t.class) }
  return { count: chosen.length, terms: new Map([['target', term]]) }
}

/**
 * Length of a direction: a row of an image, of mean square 1, that points exactly at it has a logit of 2 sqrt(width). At 1 the softmax over
 * two thousand names could not become sure of one (docs/log.md).
 */
const SHARPNESS = 2

/**
 * What the words of each name have in common in a language model: the mean of its tokens' embeddings, all at one length.
 * @param embeddings [vocabulary, width]
 * @returns [names, width]
 */
function nameDirections(names: readonly string[], tokenizer: Tokenizer, embeddings: Float32Array, width: number): Float32Array {
  const out = new Float32Array(names.length * width)
  names.forEach((name, row) => {
    const sum = out.subarray(row * width, (row + 1) * width)
    for (const id of tokenizer.encode(name)) {
      for (let i = 0; i < width; i++) sum[i] = (sum[i] as number) + (embeddings[id * width + i] as number)
    }
    const length = Math.hypot(...sum)
    for (let i = 0; i < width; i++) sum[i] = ((sum[i] as number) * SHARPNESS) / (length || 1)
  })
  return out
}

function average(values: Float32Array): number {
  return values.reduce((sum, v) => sum + v, 0) / values.length
}
