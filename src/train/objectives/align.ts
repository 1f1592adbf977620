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
import { type ImageTarget, imageClasses, imageTargets, nameDirections } from './image-labels.js'
import { normalised, type Objective, type ObjectiveSetup, type Targets, termLoss, termRows } from './objective.js'

const nameHead = 'classifier.directions.weight'

/** Rows of an image that are looked at in one step: evenly spread, the first one another for each image. */
const ALIGNED_ROWS = 8

/** @throws InputError for fewer than two names, or a model without words */
export function align({ config, initial, tokenizer, records }: ObjectiveSetup): Objective {
  const classes = imageClasses(records)
  const width = config.decoder.hiddenSize
  const words = initial.get(embeddingTable)
  if (!words) throw new InputError('stage align: expected from, a model whose words the images are brought to')
  const tokens = imageTokens(config)
  return {
    // A part that is frozen in this stage: the directions do not learn.
    parameters: [{ name: nameHead, shape: [classes.names.size, width], part: 'decoder', role: 'classifier' }],
    initial: new Map([[nameHead, nameDirections([...classes.names.keys()], tokenizer, words, width)]]),
    variant: () => 'align',
    targets: (batch) => rowTargets(imageTargets(batch, tokenizer, classes).names, tokens),
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

/** Some of the `rows` of each image that has a name, and the name's class. */
function rowTargets(names: readonly ImageTarget[], rows: number): Targets {
  const count = Math.min(ALIGNED_ROWS, rows)
  const rowOf = (image: number, i: number): number => (image + Math.floor((i * rows) / count)) % rows
  const chosen = names.flatMap((t) => Array.from({ length: count }, (_, i) => ({ ...t, row: rowOf(t.image, i) })))
  const term = { places: chosen.flatMap((t) => [t.image, t.row]), rank: 2, ids: chosen.map((t) => t.class) }
  return { count: chosen.length, terms: new Map([['target', term]]) }
}

function average(values: Float32Array): number {
  return values.reduce((sum, v) => sum + v, 0) / values.length
}
