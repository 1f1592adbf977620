/**
 * Forward and backward pass of an objective as sessions over flat parameters: one for each variant of its graph (with and without
 * images, say), all writing the same gradients.
 *
 * With several threads a batch is cut into that many parts, which run side by side with one thread each: no operation waits for
 * the threads of another, and what is not a product is divided as well. The loss is a sum over targets, so the gradients of the
 * parts add up to those of the batch; whoever makes the optimiser's step divides by the targets of the whole step.
 */
import {
  FlatParameters,
  Graph,
  gradients,
  OptimizerPool,
  Session,
  type SessionOptions,
  type Tensor,
  Value,
} from '../engine/index.js'
import type { ModelConfig } from '../model/config.js'
import { type ParameterSpec, parameterCount } from '../model/parameter-spec.js'
import { floatWeights } from '../model/weights.js'
import { splitBatch, type TrainingBatch } from './batch.js'
import { Feeds } from './feeds.js'
import { Network } from './network.js'
import type { Objective, Targets } from './objectives/objective.js'

/** What a pass over a batch gives; its gradients, of the same sum, are left in `parameters.gradients`. */
export interface StepResult {
  /** Sum over the targets. */
  readonly loss: number
  readonly targets: number
}

/** Memory for the gradients of further parts at most: larger models share the threads inside each operation instead. */
const PART_BYTES = 1_000_000_000

/** A compiled graph and the tensors whose gradients it writes. */
interface VariantSession {
  readonly session: Session
  readonly inputs: ReadonlySet<string>
  readonly gradients: readonly string[]
}

/** Sessions, parameters and tables of a training run; `dispose` once. */
export class TrainingGraph {
  readonly parameters: FlatParameters
  /** Threads for the optimiser's step, where there are several. */
  readonly pool: OptimizerPool | undefined
  private readonly parts: number
  private readonly frozen = new Map<string, Value>()
  private readonly sessions = new Map<string, VariantSession>()
  private readonly feeds: Feeds
  private readonly network: Network
  private readonly partLosses: readonly Value<'f32'>[]
  private readonly trained: ReadonlySet<string>
  private readonly options: SessionOptions

  /**
   * @param specs all tensors of the model (modelParameters) and of the objective
   * @param initial float values by tensor name
   * @param trains which tensors learn; the others are constants
   */
  constructor(
    config: ModelConfig,
    specs: readonly ParameterSpec[],
    initial: ReadonlyMap<string, Float32Array>,
    trains: (spec: ParameterSpec) => boolean,
    private readonly objective: Objective,
    options: SessionOptions = {},
  ) {
    const learned = specs.filter(trains)
    this.trained = new Set(learned.map((s) => s.name))
    const shapes = new Map(specs.map((s) => [s.name, s.shape]))
    this.network = new Network(
      config,
      floatWeights(shapes, (name) => this.trained.has(name)),
    )
    this.feeds = new Feeds(config)
    const threads = options.threads ?? 1
    const bytes = 4 * learned.reduce((sum, spec) => sum + parameterCount(spec), 0)
    this.parts = Math.max(1, Math.min(threads, 1 + Math.floor(PART_BYTES / bytes)))
    this.options = options.threads ? { ...options, threads: Math.floor(threads / this.parts) } : options
    this.partLosses = Array.from({ length: this.parts }, () => Value.zeros('f32', []))
    this.parameters = new FlatParameters(learned, this.parts)
    this.pool = threads > 1 ? new OptimizerPool(this.parameters, threads - 1) : undefined
    for (const t of this.parameters.tensors) {
      const values = initial.get(t.name)
      if (values) this.parameters.view(this.parameters.weights, t).set(values)
    }
    for (const s of specs) {
      const values = initial.get(s.name)
      if (!this.trained.has(s.name) && values) this.frozen.set(s.name, Value.of('f32', s.shape, values))
    }
  }

  /**
   * Forward and backward pass of a batch. Of a batch without targets nothing is computed: loss 0, and `parameters.gradients` is left as
   * it is.
   */
  async step(batch: TrainingBatch): Promise<StepResult> {
    const parts = (this.parts === 1 ? [batch] : splitBatch(batch, this.parts)).map((part) => ({
      part,
      targets: this.objective.targets(part),
    }))
    const count = parts.reduce((sum, { targets }) => sum + targets.count, 0)
    if (count === 0) return { loss: 0, targets: 0 }
    const losses = await Promise.all(parts.map(({ part, targets }, i) => this.runPart(part, targets, i)))
    for (const unused of this.parameters.partGradients.slice(parts.length - 1)) unused.fill(0)
    this.pool?.gather()
    return { loss: losses.reduce((sum, loss) => sum + loss, 0), targets: count }
  }

  /** Runs a graph of its own once over a batch, forward only. @param shape of its output */
  async evaluate(
    batch: TrainingBatch,
    shape: readonly number[],
    build: (g: Graph, network: Network) => Tensor,
  ): Promise<Float32Array> {
    const g = new Graph('evaluate')
    g.output('result', build(g, this.network))
    const session = new Session(g, this.frozenOf(g), this.options)
    const { inputs, own } = this.feeds.of(batch, undefined, new Set(session.inputNames))
    const result = Value.zeros('f32', shape)
    try {
      await session.run({ inputs: { ...inputs, ...this.weightsOf(session) }, outputs: { result } })
      return result.data.slice()
    } finally {
      session.dispose()
      for (const value of [...own, result]) value.dispose()
    }
  }

  /** The loss of one part; writes the part's gradient array whole. */
  private async runPart(batch: TrainingBatch, targets: Targets, part: number): Promise<number> {
    const flat = part === 0 ? this.parameters.gradients : (this.parameters.partGradients[part - 1] as Float32Array)
    const views = part === 0 ? this.parameters.gradientValues : this.parameters.partGradientValues[part - 1]
    if (targets.count === 0) {
      flat.fill(0)
      return 0
    }
    const { session, inputs: wanted, gradients: reached } = this.session(this.objective.variant(batch), part)
    const { inputs, own } = this.feeds.of(batch, targets, wanted)
    const loss = this.partLosses[part] as Value<'f32'>
    const outputs: Record<string, Value> = { loss }
    for (const name of reached) outputs[`grad:${name}`] = views?.get(name) as Value
    if (reached.length < this.trained.size) flat.fill(0)
    try {
      await session.run({ inputs: { ...inputs, ...this.weightsOf(session) }, outputs })
    } finally {
      for (const value of own) value.dispose()
    }
    return loss.data[0] as number
  }

  private session(variant: string, part: number): VariantSession {
    const key = `${variant} ${part}`
    const known = this.sessions.get(key)
    if (known) return known
    const g = new Graph(`train-${variant}`)
    const loss = this.objective.loss(g, this.network, variant)
    const parameters = this.parameters.tensors
      .filter((t) => g.inputNames.includes(t.name))
      .map((t) => g.trainable(t.name, t.shape))
    const grads = gradients(g, loss, parameters)
    g.output('loss', loss)
    for (const [name, tensor] of grads) g.output(`grad:${name}`, tensor)
    const session = new Session(g, this.frozenOf(g), this.options)
    const entry = { session, inputs: new Set(session.inputNames), gradients: [...grads.keys()] }
    this.sessions.set(key, entry)
    return entry
  }

  private frozenOf(g: Graph): Map<string, Value> {
    return new Map(g.openWeights.map((w) => [w.name, this.frozen.get(w.name) as Value]))
  }

  /** The trained weights that a session reads. */
  private weightsOf(session: Session): Record<string, Value> {
    const read = session.inputNames.filter((name) => this.trained.has(name))
    return Object.fromEntries(read.map((name) => [name, this.parameters.weightValues.get(name) as Value]))
  }

  dispose(): void {
    for (const { session } of this.sessions.values()) session.dispose()
    this.pool?.dispose()
    this.parameters.dispose()
    this.feeds.dispose()
    for (const value of [...this.frozen.values(), ...this.partLosses]) value.dispose()
  }
}
