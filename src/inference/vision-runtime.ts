/** Vision tower and projector as inference sessions: pixels in, rows for the decoder out. */
import { fullAttention, Graph, Session, type SessionOptions, Value } from '../engine/index.js'
import { cutTiles, type TiledPixels } from '../image/tiles.js'
import type { ModelConfig, VisionConfig } from '../model/config.js'
import { tileMarks } from '../model/parameters.js'
import { projector } from '../model/projector/mlp.js'
import { mergeTiles, type TileMarks } from '../model/vision/tile-merge.js'
import { visionTower } from '../model/vision/tower.js'
import { PassQueue } from './passes.js'
import type { WeightStore } from './weight-store.js'

/** Images or tiles that go through the tower in one pass: bounds the memory of its activations. */
export const IMAGES_PER_PASS = 4

/** The sessions of one model's vision side; `dispose` before the weight store, when no pass runs. */
export class VisionRuntime {
  /** Tower and projector in one, or the tower alone where tiles are merged between them. */
  private readonly tower: Session
  private readonly merged: { readonly projector: Session; readonly marks: TileMarks } | undefined
  private readonly vision: VisionConfig
  /** Width of what the tower's session gives for each patch. */
  private readonly rowWidth: number

  constructor(
    private readonly config: ModelConfig,
    private readonly store: WeightStore,
    options: SessionOptions,
    /** Those of the decoder, where it runs beside one. */
    private readonly passes = new PassQueue('vision tower'),
  ) {
    if (!config.vision) throw new RangeError('the model has no vision tower')
    this.vision = config.vision
    const { imageSize: s, hiddenSize, tiled } = this.vision
    const w = store.weights()
    const g = new Graph('vision')
    const pixels = g.input('pixels', 'f32', ['images', 3, s, s])
    const features = visionTower(g, w, this.vision, pixels, { attend: fullAttention })
    g.output('rows', tiled ? features : projector(g, w, features))
    this.rowWidth = tiled ? hiddenSize : config.decoder.hiddenSize
    this.tower = new Session(g, store.valuesFor(g), options)
    if (!tiled) return
    const p = new Graph('projector')
    p.output('rows', projector(p, w, p.input('features', 'f32', ['rows', 4 * hiddenSize])))
    // Copies: tiles are merged between passes, when the mapped file may be gone.
    const marks = { newline: store.floats(tileMarks.newline).slice(), separator: store.floats(tileMarks.separator).slice() }
    this.merged = { projector: new Session(p, store.valuesFor(p), options), marks }
  }

  /** Compiles the sessions ahead of the first image. */
  async prepare(): Promise<void> {
    for (const session of [this.tower, this.merged?.projector]) {
      if (session) await this.passes.run(() => this.store.open(session))
    }
  }

  /** pixels [images, 3, S, S] -> rows [images * tokens, hidden]. */
  async encode(pixels: Float32Array, images: number): Promise<Float32Array> {
    if (this.merged) throw new RangeError('images of this model are tiled')
    return this.runTower(pixels, images)
  }

  /** One tiled image -> rows [tiledTokens, hidden]. */
  async encodeTiled(image: TiledPixels): Promise<Float32Array> {
    if (!this.merged) throw new RangeError('images of this model are not tiled')
    return this.project(await this.mergedFeatures(image))
  }

  /** What the projector of a tiled model reads: [tiledTokens, 4 C]. */
  async mergedFeatures({ canvas, whole, tilesHigh, tilesWide }: TiledPixels): Promise<Float32Array> {
    const { imageSize: s, hiddenSize, tokens } = this.vision
    const tiles = 1 + tilesHigh * tilesWide
    const pixels = new Float32Array(tiles * whole.length)
    pixels.set(whole)
    pixels.set(cutTiles(canvas, tilesHigh, tilesWide, s), whole.length)
    const features = await this.runTower(pixels, tiles)
    return mergeTiles(features, tilesHigh, tilesWide, Math.sqrt(tokens), hiddenSize, this.merged?.marks as TileMarks)
  }

  /** pixels [images, 3, S, S] -> [images, tokens, rowWidth], a few at a time. */
  private async runTower(pixels: Float32Array, images: number): Promise<Float32Array> {
    const { imageSize: s, tokens } = this.vision
    const size = 3 * s * s
    const width = tokens * this.rowWidth
    const all = new Float32Array(new ArrayBuffer(images * width * 4))
    for (let first = 0; first < images; first += IMAGES_PER_PASS) {
      const end = Math.min(images, first + IMAGES_PER_PASS)
      const input = pixels.slice(first * size, end * size)
      const [from, to] = [
        [end - first, 3, s, s],
        [end - first, tokens, this.rowWidth],
      ]
      all.set(await this.run(this.tower, 'pixels', input, from, to), first * width)
    }
    return all
  }

  /** features [rows, 4 C] -> [rows, hidden]. */
  private async project(features: Float32Array): Promise<Float32Array> {
    const width = 4 * this.vision.hiddenSize
    const rows = features.length / width
    const to = [rows, this.config.decoder.hiddenSize]
    return this.run(this.merged?.projector as Session, 'features', features, [rows, width], to)
  }

  /** One pass: `data` of the shape `from` to rows of the shape `to`. */
  private run(session: Session, name: string, data: Float32Array, from: readonly number[], to: readonly number[]) {
    return this.passes.run(async (): Promise<Float32Array> => {
      const input = Value.of('f32', from, data)
      const rows = Value.zeros('f32', to)
      try {
        await this.store.open(session)
        await session.run({ inputs: { [name]: input }, outputs: { rows } }, true)
        return rows.data
      } finally {
        input.dispose()
        rows.dispose()
      }
    })
  }

  dispose(): void {
    this.tower.dispose()
    this.merged?.projector.dispose()
  }
}
