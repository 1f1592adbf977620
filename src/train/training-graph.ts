/**
 * Forward and backward pass of the whole model as sessions over flat parameters. One object serves batches with and
 * without pictures (a text batch runs a graph that has no vision tower and no PLoRA rows); both write the same gradients.
 */
import {
  allocate,
  embedding,
  FlatParameters,
  Graph,
  gatherRows,
  gradients,
  linearCrossEntropy,
  mean,
  product,
  reshape,
  rmsNorm,
  Session,
  type SessionOptions,
  setRows,
  type Tensor,
  Value,
} from '../engine/index.js'
import { causalMask, sequenceAttention } from '../model/attention.js'
import type { ModelConfig } from '../model/config.js'
import { decoder } from '../model/decoder.js'
import type { ParameterSpec } from '../model/parameters.js'
import { projector } from '../model/projector.js'
import { rotaryTables } from '../model/rotary.js'
import { visionTower } from '../model/vision.js'
import { floatWeights } from '../model/weights.js'
import type { Batch } from './batch.js'

/** What a step needs of a batch. */
export type TrainingBatch = Omit<Batch, 'labelTokens'> & {
  /** For the names objective: the class of each picture, -1 = not trained. */
  readonly classes?: Int32Array
}

/** What is learned: next tokens, or the name of a picture from its pooled features (vision warm-up). */
export type Objective = 'language' | 'names'

/** Name of the warm-up's classifier, which is no part of the model. */
export const namesHead = 'names_head.weight'

/** The loss's labelled rows and their targets, from a batch. */
interface Targets {
  readonly index: Value<'i64'>
  readonly ids: Value<'i64'>
}

/** Sessions, parameters and tables of a training run; `dispose` once. */
export class TrainingGraph {
  readonly parameters: FlatParameters
  private readonly frozen: Map<string, Value>
  private readonly sessions = new Map<string, { session: Session; gradients: readonly string[] }>()
  private readonly masks = new Map<number, Value<'f32'>>()
  private readonly tables: { cos: Value<'f32'>; sin: Value<'f32'>; first: Value<'i64'> }
  private readonly loss = Value.zeros('f32', [])
  private readonly shapes: Map<string, readonly number[]>
  private readonly trained: ReadonlySet<string>

  /**
   * @param specs all tensors of the model (modelParameters), plus the names head for that objective
   * @param initial float values by tensor name
   * @param trains which tensors learn; the others are constants
   */
  constructor(
    readonly config: ModelConfig,
    specs: readonly ParameterSpec[],
    initial: ReadonlyMap<string, Float32Array>,
    trains: (spec: ParameterSpec) => boolean,
    readonly objective: Objective,
    private readonly options: SessionOptions = {},
  ) {
    const learned = specs.filter(trains)
    this.trained = new Set(learned.map((s) => s.name))
    this.shapes = new Map(specs.map((s) => [s.name, s.shape]))
    this.parameters = new FlatParameters(learned)
    for (const t of this.parameters.tensors) {
      const values = initial.get(t.name)
      if (values) this.parameters.view(this.parameters.weights, t).set(values)
    }
    this.frozen = new Map()
    for (const s of specs) {
      const values = initial.get(s.name)
      if (!this.trained.has(s.name) && values) this.frozen.set(s.name, Value.of('f32', s.shape, values))
    }
    const positions = Math.min(config.decoder.maxPositions, 4096)
    const { cos, sin } = rotaryTables(config.decoder, positions)
    const half = [positions, config.decoder.headDim / 2]
    this.tables = { cos: Value.of('f32', half, cos), sin: Value.of('f32', half, sin), first: Value.zeros('i64', [1]) }
  }

  /** Loss of a batch; its gradients are left in `parameters.gradients`. NaN when the batch has nothing to learn. */
  async step(batch: TrainingBatch): Promise<number> {
    const names = this.objective === 'names'
    const kind = names ? 'names' : batch.images > 0 ? 'pictures' : 'text'
    const made: Value[] = []
    const keep = <V extends Value>(v: V): V => {
      made.push(v)
      return v
    }
    const targets = names ? nameTargets(batch) : nextTokenTargets(batch)
    if (!targets) return Number.NaN
    keep(targets.index)
    keep(targets.ids)
    const { session, gradients: reached } = this.session(kind)
    const inputs: Record<string, Value> = { target_index: targets.index, target_ids: targets.ids }
    if (kind !== 'text') {
      const s = this.config.vision?.imageSize ?? 0
      inputs.pixels = keep(Value.of('f32', [batch.images, 3, s, s], batch.pixels))
    }
    if (kind === 'pictures') {
      const pairs = allocate('i64', batch.imagePositions.length * 2)
      batch.imagePositions.forEach((at, i) => {
        pairs[2 * i] = BigInt(Math.floor(at / batch.length))
        pairs[2 * i + 1] = BigInt(at % batch.length)
      })
      inputs.image_index = keep(Value.of('i64', [batch.imagePositions.length, 2], pairs))
    }
    if (!names) {
      inputs.ids = keep(Value.of('i64', [batch.rows, batch.length], toInt64(batch.ids)))
      Object.assign(inputs, this.tables, { mask: this.mask(batch.length) })
    }
    for (const name of this.trained) {
      const value = this.parameters.weightValues.get(name)
      if (value) inputs[name] = value
    }
    const outputs: Record<string, Value> = { loss: this.loss }
    for (const name of reached) outputs[`grad:${name}`] = this.parameters.gradientValues.get(name) as Value
    if (reached.length < this.trained.size) this.parameters.gradients.fill(0)
    try {
      await session.run({ inputs: pick(inputs, session.inputNames), outputs })
    } finally {
      for (const value of made) value.dispose()
    }
    return this.loss.data[0] as number
  }

  private mask(tokens: number): Value<'f32'> {
    const known = this.masks.get(tokens)
    if (known) return known
    const group = this.config.decoder.heads / this.config.decoder.kvHeads
    const value = Value.of('f32', [group * tokens, tokens], causalMask(tokens, group))
    this.masks.set(tokens, value)
    return value
  }

  private session(kind: 'names' | 'pictures' | 'text'): { session: Session; gradients: readonly string[] } {
    const known = this.sessions.get(kind)
    if (known) return known
    const g = new Graph(`train-${kind}`)
    const loss = kind === 'names' ? this.namesLoss(g) : this.languageLoss(g, kind === 'pictures')
    const parameters = this.parameters.tensors
      .filter((t) => g.inputNames.includes(t.name))
      .map((t) => g.trainable(t.name, t.shape))
    const grads = gradients(g, loss, parameters)
    g.output('loss', loss)
    for (const [name, tensor] of grads) g.output(`grad:${name}`, tensor)
    const weights = new Map(g.openWeights.map((w) => [w.name, this.frozen.get(w.name) as Value]))
    const session = new Session(g, weights, this.options)
    const entry = { session, gradients: [...grads.keys()] }
    this.sessions.set(kind, entry)
    return entry
  }

  private weights() {
    return floatWeights(this.shapes, (name) => this.trained.has(name))
  }

  private features(g: Graph): Tensor {
    const vision = this.config.vision
    if (!vision) throw new RangeError('a batch with pictures for a model without a vision tower')
    const pixels = g.input('pixels', 'f32', ['images', 3, vision.imageSize, vision.imageSize])
    return visionTower(g, this.weights(), vision, pixels)
  }

  private languageLoss(g: Graph, pictures: boolean): Tensor {
    const { decoder: c, vision } = this.config
    const w = this.weights()
    const ids = g.input('ids', 'i64', ['batch', 'tokens'])
    let x = embedding(g, w.tensor(g, 'model.tok_embeddings.weight'), ids, c.padId)
    let image: Tensor | undefined
    if (pictures && vision) {
      const rows = product('images', vision.tokens)
      image = g.input('image_index', 'i64', [rows, 2])
      x = setRows(g, x, image, reshape(g, projector(g, w, this.features(g)), [rows, c.hiddenSize]))
    }
    const half = [this.tables.cos.shape[0] as number, c.headDim / 2]
    const attend = sequenceAttention(c, {
      cos: g.input('cos', 'f32', half),
      sin: g.input('sin', 'f32', half),
      first: g.input('first', 'i64', [1]),
      mask: g.input('mask', 'f32', [product(c.heads / c.kvHeads, 'tokens'), 'tokens']),
    })
    const hidden = decoder(g, w, c, x, image, attend)
    const labelled = gatherRows(g, hidden, g.input('target_index', 'i64', ['targets', 2]))
    return linearCrossEntropy(g, labelled, w.tensor(g, 'output.weight'), g.input('target_ids', 'i64', ['targets']))
  }

  /** A classifier on the mean of the tower's features, normalised so that their growth does not matter. */
  private namesLoss(g: Graph): Tensor {
    const pooled = mean(g, this.features(g), 1)
    const width = this.config.vision?.hiddenSize ?? 0
    const ones = g.constant('f32', [width], new Float32Array(width).fill(1))
    const rows = gatherRows(g, rmsNorm(g, pooled, ones, 1e-5), g.input('target_index', 'i64', ['targets', 1]))
    return linearCrossEntropy(g, rows, this.weights().tensor(g, namesHead), g.input('target_ids', 'i64', ['targets']))
  }

  dispose(): void {
    for (const { session } of this.sessions.values()) session.dispose()
    this.parameters.dispose()
    for (const value of [...this.frozen.values(), ...this.masks.values(), ...Object.values(this.tables), this.loss])
      value.dispose()
  }
}

function pick(values: Record<string, Value>, names: readonly string[]): Record<string, Value> {
  return Object.fromEntries(names.map((n) => [n, values[n] as Value]))
}

function toInt64(values: ArrayLike<number>): BigInt64Array {
  const out = allocate('i64', values.length)
  for (let i = 0; i < values.length; i++) out[i] = BigInt(values[i] as number)
  return out
}

/** The position before each label predicts it (SPEC 4, loss): pairs [row, column] and label ids. */
function nextTokenTargets(batch: TrainingBatch): Targets | undefined {
  const pairs: number[] = []
  const ids: number[] = []
  for (let row = 0; row < batch.rows; row++) {
    for (let column = 1; column < batch.length; column++) {
      const label = batch.labels[row * batch.length + column] as number
      if (label < 0) continue
      pairs.push(row, column - 1)
      ids.push(label)
    }
  }
  if (ids.length === 0) return undefined
  return { index: Value.of('i64', [ids.length, 2], toInt64(pairs)), ids: Value.of('i64', [ids.length], toInt64(ids)) }
}

/** The pictures that have a class, and their classes. */
function nameTargets(batch: TrainingBatch): Targets | undefined {
  const classes = batch.classes ?? new Int32Array(0)
  const pictures = [...classes.keys()].filter((i) => (classes[i] as number) >= 0)
  if (pictures.length === 0) return undefined
  const ids = pictures.map((i) => classes[i] as number)
  return { index: Value.of('i64', [ids.length, 1], toInt64(pictures)), ids: Value.of('i64', [ids.length], toInt64(ids)) }
}
