/** Vision tower and projector as an inference session: pixels in, rows for the decoder out. */
import { Graph, Session, type SessionOptions, Value } from '../engine/index.js'
import type { ModelConfig, VisionConfig } from './config.js'
import { projector } from './projector.js'
import { visionTower } from './vision.js'
import type { WeightStore } from './weight-store.js'

/** The session of one model's vision side; `dispose` before the weight store. */
export class VisionSession {
  private readonly session: Session
  private readonly vision: VisionConfig

  constructor(
    private readonly config: ModelConfig,
    store: WeightStore,
    options: SessionOptions,
  ) {
    if (!config.vision) throw new RangeError('the model has no vision tower')
    this.vision = config.vision
    const g = new Graph('vision')
    const w = store.weights()
    const s = this.vision.imageSize
    const features = visionTower(g, w, this.vision, g.input('pixels', 'f32', ['images', 3, s, s]))
    g.output('rows', projector(g, w, features))
    this.session = new Session(g, store.valuesFor(g), options)
  }

  /** pixels [images, 3, S, S] -> rows [images * tokens, hidden]. */
  async encode(pixels: Float32Array, images: number): Promise<Float32Array> {
    const s = this.vision.imageSize
    const input = Value.of('f32', [images, 3, s, s], pixels)
    const rows = Value.zeros('f32', [images, this.vision.tokens, this.config.decoder.hiddenSize])
    try {
      await this.session.run({ inputs: { pixels: input }, outputs: { rows } })
      return rows.data
    } finally {
      input.dispose()
      rows.dispose()
    }
  }

  dispose(): void {
    this.session.dispose()
  }
}
