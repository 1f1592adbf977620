/**
 * Forward and backward pass of the whole model as sessions over flat parameters. One object serves batches with and
 * without images (a text batch runs a graph that has no vision tower and no PLoRA rows); both write the same gradients.
 *
 * With several threads a batch is cut into that many parts, which run side by side with one thread each: no operation waits for
 * the threads of another, and what is not a product is divided as well. The loss is a sum over targets, so the gradients of the
 * parts add up to those of the batch; whoever makes the optimiser's step divides by the targets of the whole step.
 */
import {
  add,
  allocate,
  embedding,
  FlatParameters,
  Graph,
  gatherRows,
  gradients,
  linearCrossEntropy,
  matmul,
  mean,
  mul,
  OptimizerPool,
  product,
  reshape,
  rmsNorm,
  Session,
  type SessionOptions,
  setRows,
  type Tensor,
  Value,
} from '../engine/index.js'
import type { ModelConfig } from '../model/config.js'
import { causalMask, sequenceAttention } from '../model/decoder/attention.js'
import { decoder } from '../model/decoder/decoder.js'
import { rotaryTables } from '../model/decoder/rotary.js'
import { imageTokens, projectFeatures } from '../model/image-rows.js'
import type { ParameterSpec } from '../model/parameter-spec.js'
import { tileIndex } from '../model/vision/tile-merge.js'
import { visionTower } from '../model/vision/tower.js'
import { floatWeights } from '../model/weights.js'
import { type Batch, splitBatch } from './batch.js'
import type { ImageTarget, ImageTargets } from './image-labels.js'

/** What a step needs of a batch. */
export type TrainingBatch = Omit<Batch, 'labelTokens'> & {
  /** For the names objective: what each image is called and which words it shares. */
  readonly targets?: ImageTargets
}

/**
 * What is learned: next tokens; the name and the words of an image from its pooled features (vision warm-up); or to bring an image's
 * projected rows near the language model's words for its name ('align').
 */
export type Objective = 'language' | 'names' | 'align'

/** The classifiers of images, which are no part of the model. */
export const classifierHead = 'names_head.weight'
export const wordsHead = 'words_head.weight'

/** What one cross entropy is about: places of labelled rows (flat, `rank` numbers each), the class or token of each and its weight. */
interface Term {
  readonly places: readonly number[]
  readonly rank: number
  readonly ids: readonly number[]
  /** Default: 1 each. */
  readonly weights?: readonly number[]
}

/** What a batch has to teach: how many targets, and the terms of the loss, which is a sum over them. */
interface Targets {
  readonly count: number
  readonly terms: ReadonlyMap<string, Term>
}

/** What a pass over a batch gives; its gradients, of the same sum, are left in `parameters.gradients`. */
export interface StepResult {
  /** Sum over the targets. */
  readonly loss: number
  readonly targets: number
}

/** Memory for the gradients of further parts at most: larger models share the threads inside each operation instead. */
const PART_BYTES = 1_000_000_000

/** Sessions, parameters and tables of a training run; `dispose` once. */
export class TrainingGraph {
  readonly parameters: FlatParameters
  /** Threads for the optimiser's step, where there are several. */
  readonly pool: OptimizerPool | undefined
  private readonly parts: number
  private readonly frozen: Map<string, Value>
  private readonly sessions = new Map<string, { session: Session; gradients: readonly string[] }>()
  private readonly masks = new Map<number, Value<'f32'>>()
  private readonly tables: { cos: Value<'f32'>; sin: Value<'f32'>; first: Value<'i64'> }
  private readonly partLosses: readonly Value<'f32'>[]
  private readonly shapes: Map<string, readonly number[]>
  private readonly trained: ReadonlySet<string>
  private readonly options: SessionOptions
  /** Root mean square of the rows of images in the last step of the align objective. */
  rowSize = Number.NaN

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
    options: SessionOptions = {},
  ) {
    const learned = specs.filter(trains)
    this.trained = new Set(learned.map((s) => s.name))
    this.shapes = new Map(specs.map((s) => [s.name, s.shape]))
    const threads = options.threads ?? 1
    const bytes = 4 * learned.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
    this.parts = Math.max(1, Math.min(threads, 1 + Math.floor(PART_BYTES / bytes)))
    this.options = options.threads ? { ...options, threads: Math.floor(threads / this.parts) } : options
    this.partLosses = Array.from({ length: this.parts }, () => Value.zeros('f32', []))
    this.parameters = new FlatParameters(learned, this.parts)
    this.pool = threads > 1 ? new OptimizerPool(this.parameters, threads - 1) : undefined
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

  /**
   * Forward and backward pass of a batch. Of a batch without targets nothing is computed: loss 0, and `parameters.gradients` is left as
   * it is.
   */
  async step(batch: TrainingBatch): Promise<StepResult> {
    const parts = (this.parts === 1 ? [batch] : splitWithTargets(batch, this.parts)).map((part) => ({
      part,
      targets: this.targets(part),
    }))
    const count = parts.reduce((sum, { targets }) => sum + targets.count, 0)
    if (count === 0) return { loss: 0, targets: 0 }
    const losses = await Promise.all(parts.map(({ part, targets }, i) => this.runPart(part, targets, i)))
    for (const unused of this.parameters.partGradients.slice(parts.length - 1)) unused.fill(0)
    this.pool?.gather()
    return { loss: losses.reduce((sum, loss) => sum + loss, 0), targets: count }
  }

  private targets(batch: TrainingBatch): Targets {
    if (this.objective === 'language') return nextTokenTargets(batch)
    const { names = [], words = [] } = batch.targets ?? {}
    if (this.objective === 'align') return alignTargets(names, imageTokens(this.config))
    return classTargets(names, this.trained.has(wordsHead) ? words : undefined)
  }

  /** The loss of one part; writes the part's gradient array whole. */
  private async runPart(batch: TrainingBatch, targets: Targets, part: number): Promise<number> {
    const flat = part === 0 ? this.parameters.gradients : (this.parameters.partGradients[part - 1] as Float32Array)
    const views = part === 0 ? this.parameters.gradientValues : this.parameters.partGradientValues[part - 1]
    if (targets.count === 0) {
      flat.fill(0)
      return 0
    }
    const kind = this.objective !== 'language' ? this.objective : batch.images > 0 ? 'pictures' : 'text'
    const made: Value[] = []
    const keep = <V extends Value>(v: V): V => {
      made.push(v)
      return v
    }
    const { session, gradients: reached } = this.session(kind, part)
    const inputs: Record<string, Value> = {}
    for (const [name, term] of targets.terms) {
      // Another term of the part has targets: any row stands for this one's, with no weight.
      const none = { places: new Array<number>(term.rank).fill(0), ids: [0], weights: [0] }
      const { places, ids, weights = ids.map(() => 1) } = term.ids.length > 0 ? term : none
      inputs[`${name}_index`] = keep(Value.of('i64', [ids.length, term.rank], toInt64(places)))
      inputs[`${name}_ids`] = keep(Value.of('i64', [ids.length], toInt64(ids)))
      inputs[`${name}_weights`] = keep(Value.of('f32', [ids.length], Float32Array.from(weights)))
    }
    if (kind === 'align') {
      const rows = inputs.target_ids?.shape[0] as number
      inputs.each_row = keep(Value.of('f32', [1, 1, rows], new Float32Array(rows).fill(1 / rows)))
    }
    if (kind !== 'text') {
      const s = this.config.vision?.imageSize ?? 0
      const stack = batch.pixels.length / (3 * s * s)
      inputs.pixels = keep(Value.of('f32', [stack, 3, s, s], batch.pixels))
    }
    if (kind === 'pictures') {
      const pairs = allocate('i64', batch.imagePositions.length * 2)
      batch.imagePositions.forEach((at, i) => {
        pairs[2 * i] = BigInt(Math.floor(at / batch.length))
        pairs[2 * i + 1] = BigInt(at % batch.length)
      })
      inputs.image_index = keep(Value.of('i64', [batch.imagePositions.length, 2], pairs))
      if (batch.tiles) {
        const { imageSize = 0, patchSize = 1 } = this.config.vision ?? {}
        const index = toInt64(tileIndex(batch.tiles.grids, imageSize / patchSize))
        inputs.tile_index = keep(Value.of('i64', [index.length / 2, 2], index))
      }
    }
    if (kind === 'pictures' || kind === 'text') {
      inputs.ids = keep(Value.of('i64', [batch.rows, batch.length], toInt64(batch.ids)))
      Object.assign(inputs, this.tables, { mask: this.mask(batch.length) })
    }
    for (const name of this.trained) {
      const value = this.parameters.weightValues.get(name)
      if (value) inputs[name] = value
    }
    const loss = this.partLosses[part] as Value<'f32'>
    const outputs: Record<string, Value> = { loss }
    const rowSquare = kind === 'align' ? keep(Value.zeros('f32', [])) : undefined
    if (rowSquare) outputs.row_square = rowSquare
    for (const name of reached) outputs[`grad:${name}`] = views?.get(name) as Value
    if (reached.length < this.trained.size) flat.fill(0)
    try {
      await session.run({ inputs: pick(inputs, session.inputNames), outputs })
      if (rowSquare) this.rowSize = Math.sqrt(rowSquare.data[0] as number)
    } finally {
      for (const value of made) value.dispose()
    }
    return loss.data[0] as number
  }

  private mask(tokens: number): Value<'f32'> {
    const known = this.masks.get(tokens)
    if (known) return known
    const group = this.config.decoder.heads / this.config.decoder.kvHeads
    const value = Value.of('f32', [group * tokens, tokens], causalMask(tokens, group))
    this.masks.set(tokens, value)
    return value
  }

  private session(
    kind: 'names' | 'align' | 'pictures' | 'text',
    part: number,
  ): { session: Session; gradients: readonly string[] } {
    const key = `${kind} ${part}`
    const known = this.sessions.get(key)
    if (known) return known
    const g = new Graph(`train-${kind}`)
    const loss =
      kind === 'names' ? this.namesLoss(g) : kind === 'align' ? this.alignLoss(g) : this.languageLoss(g, kind === 'pictures')
    const parameters = this.parameters.tensors
      .filter((t) => g.inputNames.includes(t.name))
      .map((t) => g.trainable(t.name, t.shape))
    const grads = gradients(g, loss, parameters)
    g.output('loss', loss)
    for (const [name, tensor] of grads) g.output(`grad:${name}`, tensor)
    const weights = new Map(g.openWeights.map((w) => [w.name, this.frozen.get(w.name) as Value]))
    const session = new Session(g, weights, this.options)
    const entry = { session, gradients: [...grads.keys()] }
    this.sessions.set(key, entry)
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
      const tiles = vision.tiled ? g.input('tile_index', 'i64', ['image_rows', 2]) : undefined
      const rows = tiles ? 'image_rows' : product('images', imageTokens(this.config))
      image = g.input('image_index', 'i64', [rows, 2])
      const projected = projectFeatures(g, w, this.config, this.features(g), tiles ? { tiles } : {})
      x = setRows(g, x, image, reshape(g, projected, [rows, c.hiddenSize]))
    }
    const half = [this.tables.cos.shape[0] as number, c.headDim / 2]
    const attend = sequenceAttention(c, {
      cos: g.input('cos', 'f32', half),
      sin: g.input('sin', 'f32', half),
      first: g.input('first', 'i64', [1]),
      mask: g.input('mask', 'f32', [product(c.heads / c.kvHeads, 'tokens'), 'tokens']),
    })
    const hidden = decoder(g, w, c, x, image, attend)
    return this.labelledLoss(g, hidden, 2, 'output.weight', 'target')
  }

  /** Classifiers on the mean of the tower's features, normalised so that their growth does not matter. */
  private namesLoss(g: Graph): Tensor {
    const pooled = normalised(g, mean(g, this.features(g), 1))
    const names = this.labelledLoss(g, pooled, 1, classifierHead, 'target')
    return this.trained.has(wordsHead) ? add(g, names, this.labelledLoss(g, pooled, 1, wordsHead, 'word')) : names
  }

  /**
   * Projected rows of an image against the directions of all names: each row by itself, as the decoder will read it. Only their
   * direction counts here; how large they are is an output beside the loss.
   */
  private alignLoss(g: Graph): Tensor {
    const rows = gatherRows(
      g,
      projectFeatures(g, this.weights(), this.config, this.features(g)),
      this.targetIndex(g, 'target', 2),
    )
    const squares = reshape(g, mean(g, mul(g, rows, rows), 1), [1, 'targets', 1])
    g.output('row_square', reshape(g, matmul(g, g.input('each_row', 'f32', [1, 1, 'targets']), squares), []))
    return this.labelledLossOf(g, normalised(g, rows), classifierHead, 'target')
  }

  /** Weighted sum of the losses of the labelled rows. */
  private labelledLoss(g: Graph, x: Tensor, rank: number, head: string, name: string): Tensor {
    return this.labelledLossOf(g, gatherRows(g, x, this.targetIndex(g, name, rank)), head, name)
  }

  private labelledLossOf(g: Graph, rows: Tensor, head: string, name: string): Tensor {
    const count = `${name}s`
    const [ids, weights] = [g.input(`${name}_ids`, 'i64', [count]), g.input(`${name}_weights`, 'f32', [count])]
    return linearCrossEntropy(g, rows, this.weights().tensor(g, head), ids, weights)
  }

  private targetIndex(g: Graph, name: string, rank: number): Tensor {
    return g.input(`${name}_index`, 'i64', [`${name}s`, rank])
  }

  dispose(): void {
    for (const { session } of this.sessions.values()) session.dispose()
    this.pool?.dispose()
    this.parameters.dispose()
    for (const value of [...this.frozen.values(), ...this.masks.values(), ...Object.values(this.tables), ...this.partLosses])
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
function nextTokenTargets(batch: TrainingBatch): Targets {
  const places: number[] = []
  const ids: number[] = []
  for (let row = 0; row < batch.rows; row++) {
    for (let column = 1; column < batch.length; column++) {
      const label = batch.labels[row * batch.length + column] as number
      if (label < 0) continue
      places.push(row, column - 1)
      ids.push(label)
    }
  }
  return { count: ids.length, terms: new Map([['target', { places, rank: 2, ids }]]) }
}

/** Rows of an image that are brought near its name in one step: evenly spread, the first one another for each image. */
const ALIGNED_ROWS = 8

/** Images by name and by the words that they share; an image's words weigh as much together as its name. */
function classTargets(names: readonly ImageTarget[], words: readonly ImageTarget[] | undefined): Targets {
  const term = (targets: readonly ImageTarget[]) => ({
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

/** Some of the `rows` of each image that has a name, and the name's class. */
function alignTargets(names: readonly ImageTarget[], rows: number): Targets {
  const count = Math.min(ALIGNED_ROWS, rows)
  const rowOf = (image: number, i: number): number => (image + Math.floor((i * rows) / count)) % rows
  const chosen = names.flatMap((t) => Array.from({ length: count }, (_, i) => ({ ...t, row: rowOf(t.image, i) })))
  const term = { places: chosen.flatMap((t) => [t.image, t.row]), rank: 2, ids: chosen.map((t) => t.class) }
  return { count: chosen.length, terms: new Map([['target', term]]) }
}

/** Rows at a mean square of 1. */
function normalised(g: Graph, x: Tensor): Tensor {
  const width = x.shape.at(-1) as number
  return rmsNorm(g, x, g.constant('f32', [width], new Float32Array(width).fill(1)), 1e-6)
}

/** A batch in parts, each with the targets of its own images. */
function splitWithTargets(batch: TrainingBatch, parts: number): TrainingBatch[] {
  let before = 0
  return splitBatch(batch, parts).map((part) => {
    const [from, to] = [before, before + part.images]
    before = to
    const own = (targets: readonly ImageTarget[]): ImageTarget[] =>
      targets.filter((t) => t.image >= from && t.image < to).map((t) => ({ ...t, image: t.image - from }))
    const { targets } = batch
    return targets ? { ...part, targets: { names: own(targets.names), words: own(targets.words) } } : part
  })
}
