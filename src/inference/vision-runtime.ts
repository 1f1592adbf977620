/** Vision tower and projector as inference sessions: pixels in, rows for the decoder out. */
import { fullAttention, Graph, Session, type SessionOptions, Value } from '../engine/index.js'
import { type TiledPixels, tileStack } from '../image/tiles.js'
import type { ModelConfig, VisionConfig } from '../model/config.js'
import { imageTokens, projectFeatures } from '../model/image-rows.js'
import { mergeTiles, tileIndex } from '../model/vision/tile-merge.js'
import { gatheredConvolution, visionTower } from '../model/vision/tower.js'
import { PassQueue } from './passes.js'
import type { WeightStore } from './weight-store.js'

/** Images or tiles that go through the tower in one pass: bounds the memory of its activations. */
export const IMAGES_PER_PASS = 4

/** The sessions of one model's vision side; `dispose` before the weight store, when no pass runs. */
export class VisionRuntime {
  /** Tower and projector in one; where images are tiled the tower alone, a few tiles at a time. */
  private readonly tower: Session
  /** Where images are tiled: from the features of all tiles of one to its rows. */
  private readonly merger: Session | undefined
  private readonly vision: VisionConfig
  /** [rows, width] that the tower's session gives for each image or tile. */
  private readonly towerRows: readonly [number, number]

  constructor(
    private readonly config: ModelConfig,
    private readonly store: WeightStore,
    options: SessionOptions,
    private readonly passes = new PassQueue('vision tower'),
  ) {
    if (!config.vision) throw new RangeError('the model has no vision tower')
    this.vision = config.vision
    const { imageSize: s, hiddenSize, patches, tiled } = this.vision
    const w = store.weights()
    const attend = fullAttention
    const g = new Graph('vision')
    const features = visionTower(g, w, this.vision, g.input('pixels', 'f32', ['images', 3, s, s]), {
      attend,
      convolve: gatheredConvolution,
    })
    g.output('rows', tiled ? features : projectFeatures(g, w, config, features, { attend }))
    this.towerRows = tiled ? [patches, hiddenSize] : [imageTokens(config), config.decoder.hiddenSize]
    this.tower = new Session(g, store.valuesFor(g), options)
    if (!tiled) return
    const p = new Graph('projector')
    const { ofTiles, index } = tileInputs(p, this.vision)
    p.output('rows', projectFeatures(p, w, config, ofTiles, { tiles: index, attend }))
    this.merger = new Session(p, store.valuesFor(p), options)
  }

  /** Compiles the sessions ahead of the first image. */
  async prepare(): Promise<void> {
    for (const session of [this.tower, this.merger]) {
      if (session) await this.passes.run(() => this.store.open(session))
    }
  }

  /** pixels [images, 3, S, S] -> rows [images * tokens, hidden]. */
  async encode(pixels: Float32Array, images: number): Promise<Float32Array> {
    if (this.merger) throw new RangeError('images of this model are tiled')
    return this.runTower(pixels, images)
  }

  /** One tiled image -> rows [imageTokens, hidden]. */
  async encodeTiled(image: TiledPixels): Promise<Float32Array> {
    if (!this.merger) throw new RangeError('images of this model are not tiled')
    return this.merge(this.merger, image, this.config.decoder.hiddenSize)
  }

  /** What the projector of a tiled model reads, for comparisons: [imageTokens, 4 C]. */
  async mergedFeatures(image: TiledPixels): Promise<Float32Array> {
    const g = new Graph('merge')
    const { ofTiles, index } = tileInputs(g, this.vision)
    g.output('rows', mergeTiles(g, this.store.weights(), ofTiles, this.vision.imageSize / this.vision.patchSize, index))
    const session = new Session(g, this.store.valuesFor(g))
    try {
      return await this.merge(session, image, 4 * this.vision.hiddenSize)
    } finally {
      session.dispose()
    }
  }

  /** The tiles of an image through the tower, and then together through `session`: [rows, width]. */
  private async merge(session: Session, image: TiledPixels, width: number): Promise<Float32Array> {
    const { imageSize, patches, patchSize, hiddenSize } = this.vision
    const pixels = tileStack(image, imageSize)
    const tiles = pixels.length / image.whole.length
    const features = await this.runTower(pixels, tiles)
    const index = tileIndex([image], imageSize / patchSize)
    const inputs = () => ({ features: Value.of('f32', [tiles, patches, hiddenSize], features), tile_index: indexValue(index) })
    return this.run(session, inputs, [index.length / 2, width])
  }

  /** pixels [images, 3, S, S] -> what the tower's session gives of each, a few at a time. */
  private async runTower(pixels: Float32Array, images: number): Promise<Float32Array> {
    const { imageSize: s } = this.vision
    const [rows, width] = this.towerRows
    const all = new Float32Array(new ArrayBuffer(images * rows * width * 4))
    for (let first = 0; first < images; first += IMAGES_PER_PASS) {
      const count = Math.min(images - first, IMAGES_PER_PASS)
      const size = 3 * s * s
      const inputs = () => ({ pixels: Value.of('f32', [count, 3, s, s], pixels.slice(first * size, (first + count) * size)) })
      all.set(await this.run(this.tower, inputs, [count, rows, width]), first * rows * width)
    }
    return all
  }

  /** One pass to rows of the shape. */
  private run(session: Session, inputs: () => Record<string, Value>, shape: readonly number[]) {
    return this.passes.run(async (): Promise<Float32Array> => {
      const given = inputs()
      const rows = Value.zeros('f32', shape)
      try {
        await this.store.open(session)
        await session.run({ inputs: given, outputs: { rows } }, true)
        return rows.data
      } finally {
        for (const value of [...Object.values(given), rows]) value.dispose()
      }
    })
  }

  dispose(): void {
    this.tower.dispose()
    this.merger?.dispose()
  }
}

/** What merging reads: features of tiles, and where the rows of the image come from (see tileIndex). */
function tileInputs(g: Graph, { patches, hiddenSize }: VisionConfig) {
  const ofTiles = g.input('features', 'f32', ['tiles', patches, hiddenSize])
  return { ofTiles, index: g.input('tile_index', 'i64', ['rows', 2]) }
}

/** Pairs of a row index. */
function indexValue(pairs: readonly number[]): Value<'i64'> {
  const value = Value.zeros('i64', [pairs.length / 2, 2])
  pairs.forEach((n, i) => {
    value.data[i] = BigInt(n)
  })
  return value
}
