/** From features of the vision tower to the rows that the decoder reads in an image's place: projector and, in tiled models, the merging of tiles before it. */
import type { Graph, Tensor } from '../engine/index.js'
import type { ModelConfig, VisionConfig } from './config.js'
import { type ConfiguredProjector, projectorOf } from './projector/table.js'
import { type Attention, plainAttention } from './vision/attention.js'
import { mergeTiles, type TileGrid, tiledTokens } from './vision/tile-merge.js'
import type { Weights } from './weights.js'

/** The projector of a model with a vision tower. */
export function modelProjector(c: Pick<ModelConfig, 'projector' | 'decoder'>, vision: VisionConfig): ConfiguredProjector {
  const grid = vision.imageSize / vision.patchSize
  const features = vision.hiddenSize * (vision.tiled ? 4 : 1)
  return projectorOf(c.projector, { grid, features, hidden: c.decoder.hiddenSize })
}

/**
 * Positions that an image takes in a prompt; 0 without a vision tower.
 * @param layout of the image, in tiled models; one tile beside the whole where nothing is said
 */
export function imageTokens(c: ModelConfig, layout: TileGrid = { tilesHigh: 1, tilesWide: 1 }): number {
  const { vision } = c
  if (!vision) return 0
  return vision.tiled ? tiledTokens(layout, vision.imageSize / vision.patchSize) : modelProjector(c, vision).imageTokens
}

/** What projecting depends on besides features. */
export interface ProjectOptions {
  /** i64 [rows, 2], in tiled models: see tileIndex. */
  readonly tiles?: Tensor
  /** Default: the differentiable form. */
  readonly attend?: Attention
}

/** features [images, patches, C] -> [images, tokens, hidden]; of tiles [tiles, patches, C] -> [rows, hidden], image after image. */
export function projectFeatures(
  g: Graph,
  w: Weights,
  c: ModelConfig,
  features: Tensor,
  { tiles, attend = plainAttention }: ProjectOptions = {},
): Tensor {
  const { vision } = c
  if (!vision || vision.tiled !== (tiles !== undefined)) throw new RangeError('features do not fit the configuration')
  const rows = tiles ? mergeTiles(g, w, features, vision.imageSize / vision.patchSize, tiles) : features
  return modelProjector(c, vision).build(g, w, rows, attend)
}
