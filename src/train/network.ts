/** The model in a training graph: features, projected rows and hidden states over the inputs that `feeds.ts` fills. */
import { embedding, type Graph, product, type RowIndex, reshape, setRows, type Tensor } from '../engine/index.js'
import type { ModelConfig } from '../model/config.js'
import { sequenceAttention } from '../model/decoder/attention.js'
import { decoder } from '../model/decoder/decoder.js'
import { imageTokens, projectFeatures } from '../model/image-rows.js'
import { embeddingTable } from '../model/parameter-spec.js'
import { visionTower } from '../model/vision/tower.js'
import type { Weights } from '../model/weights.js'
import { MASKS, rotaryPositions } from './feeds.js'

export class Network {
  constructor(
    readonly config: ModelConfig,
    readonly weights: Weights,
  ) {}

  /** Features of the batch's images: [images, patches, width]. */
  features(g: Graph): Tensor {
    const { vision } = this.config
    if (!vision) throw new RangeError('a batch with images for a model without a vision tower')
    const pixels = g.input('pixels', 'f32', ['images', 3, vision.imageSize, vision.imageSize])
    return visionTower(g, this.weights, vision, pixels)
  }

  /** What the decoder reads in the images' place: [images, tokens, hidden]; [rows, hidden] of a tiled model. */
  projected(g: Graph, features = this.features(g)): Tensor {
    const tiles = this.config.vision?.tiled ? g.input('tile_index', 'i64', ['image_rows', 2]) : undefined
    return projectFeatures(g, this.weights, this.config, features, tiles ? { tiles } : {})
  }

  /**
   * The decoder's output before the head at the places of an index [rows, 2]: [rows, hidden].
   * @param features of the batch's images, where it has some
   */
  hidden(g: Graph, rows: RowIndex, features?: Tensor): Tensor {
    const { decoder: c, vision } = this.config
    const tokens = product(MASKS, 'block')
    const ids = g.input('ids', 'i64', ['batch', tokens])
    let x = embedding(g, this.weights.tensor(g, embeddingTable), ids, c.padId)
    let image: Tensor | undefined
    if (features) {
      const places = vision?.tiled ? 'image_rows' : product('images', imageTokens(this.config))
      const projected = reshape(g, this.projected(g, features), [places, c.hiddenSize])
      image = g.input('image_index', 'i64', [places, 2])
      x = setRows(g, x, image, projected)
    }
    const half = [rotaryPositions(c), c.headDim / 2]
    const attend = sequenceAttention(c, {
      cos: g.input('cos', 'f32', half),
      sin: g.input('sin', 'f32', half),
      positions: g.input('positions', 'i64', ['batch', tokens]),
      masks: Array.from({ length: MASKS }, (_, i) => g.input(`mask_${i}`, 'f32', ['batch', 1, 'block', product(i + 1, 'block')])),
    })
    const keep = { rows, image: image && g.input('kept_image_index', 'i64', ['kept_image_rows', 1]) }
    return decoder(g, this.weights, c, x, image, attend, { keep })
  }
}
