/** Vision tower and projector as inference sessions: pixels in, rows for the decoder out. */
import { fullAttention, Graph, Session, type SessionOptions, Value } from '../engine/index.js'
import { cutTiles, type TiledPixels } from '../image/tiles.js'
import type { ModelConfig, VisionConfig } from '../model/config.js'
import { tileMarks } from '../model/parameters.js'
import { projector } from '../model/projector/mlp.js'
import { mergeTiles, type TileMarks } from '../model/vision/tile-merge.js'
import { visionTower } from '../model/vision/tower.js'
import type { WeightStore } from './weight-store.js'

/** Images or tiles that go through the tower together: bounds the memory of its activations. */
const PICTURES_AT_ONCE = 4

/** The sessions of one model's vision side; `dispose` before the weight store. */
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
    const marks = { newline: store.floats(tileMarks.newline), separator: store.floats(tileMarks.separator) }
    this.merged = { projector: new Session(p, store.valuesFor(p), options), marks }
  }

  /** Compiles the sessions ahead of the first image. */
  async prepare(): Promise<void> {
    await this.store.open(this.tower)
    if (this.merged) await this.store.open(this.merged.projector)
  }

  /** pixels [images, 3, S, S] -> rows [images * tokens, hidden]. */
  async encode(pixels: Float32Array, images: number): Promise<Float32Array> {
    if (this.merged) throw new RangeError('pictures of this model are tiled')
    return this.runTower(pixels, images)
  }

  /** One tiled image -> rows [tiledTokens, hidden]. */
  async encodeTiled(image: TiledPixels): Promise<Float32Array> {
    if (!this.merged) throw new RangeError('pictures of this model are not tiled')
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
    for (let first = 0; first < images; first += PICTURES_AT_ONCE) {
      const end = Math.min(images, first + PICTURES_AT_ONCE)
      const input = Value.of('f32', [end - first, 3, s, s], pixels.slice(first * size, end * size))
      all.set(await this.run(this.tower, 'pixels', input, [end - first, tokens, this.rowWidth]), first * width)
    }
    return all
  }

  /** features [rows, 4 C] -> [rows, hidden]. */
  private async project(features: Float32Array): Promise<Float32Array> {
    const width = 4 * this.vision.hiddenSize
    const rows = features.length / width
    const input = Value.of('f32', [rows, width], features)
    return this.run(this.merged?.projector as Session, 'features', input, [rows, this.config.decoder.hiddenSize])
  }

  private async run(session: Session, name: string, input: Value<'f32'>, shape: readonly number[]): Promise<Float32Array> {
    const rows = Value.zeros('f32', shape)
    try {
      await this.store.open(session)
      await session.run({ inputs: { [name]: input }, outputs: { rows } }, true)
      return rows.data
    } finally {
      input.dispose()
      rows.dispose()
    }
  }

  dispose(): void {
    this.tower.dispose()
    this.merged?.projector.dispose()
  }
}
