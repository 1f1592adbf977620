/**
 * Muon (Jordan et al., 2024): the hidden matrices of a network move along their momentum with all singular values brought to 1, so that
 * rare directions are learned as fast as common ones. What is no hidden matrix (embeddings, output head, norms, biases, positions) is
 * updated by AdamW beside it, at a rate of its own. The step of a matrix is one graph over the flat arrays; several matrices are
 * worked on side by side, with one thread each.
 */
import { Graph } from '../graph/graph.js'
import { Session } from '../runtime/session.js'
import { Value } from '../runtime/value.js'
import { AdamW, type AdamWOptions, type OptimizerResources } from './adamw.js'
import type { FlatParameters, FlatTensor } from './flat-parameters.js'
import { type Form, formOf, orthogonal } from './newton-schulz.js'
import type { Optimizer, TensorRates, Update } from './optimizer.js'

/** Settings for the hidden matrices, and AdamW's for the rest. */
export interface MuonOptions {
  readonly learningRate: number
  /** Of the running mean of gradients, looked ahead by (Nesterov). */
  readonly momentum: number
  /** Decoupled: a weight loses learning rate * weightDecay of itself at each step. */
  readonly weightDecay: number
  /** For all other tensors; `maxNorm` clips the gradients of both. */
  readonly adamw: AdamWOptions
}

const SLOTS = ['momentum'] as const

/** A hidden matrix in the flat arrays. */
interface Matrix {
  readonly name: string
  readonly rows: number
  readonly columns: number
  readonly form: Form
  /** [rows, columns] each. */
  readonly views: Readonly<Record<'gradient' | 'momentum' | 'weight', Value<'f32'>>>
}

/** A convolution [out, ...rest] counts as the matrix [out, product of rest]. */
export class Muon implements Optimizer {
  /** The dearest first, so that none is left for one thread at the end. */
  private readonly matrices: readonly Matrix[]
  private readonly hidden: ReadonlySet<string>
  private readonly others: AdamW
  private readonly lanes: readonly Lane[]

  /**
   * @param rates `lrScale` holds for every tensor, `weightDecay` for those of AdamW
   * @param hidden names of the hidden matrices; a tensor of fewer than two dimensions must not be among them
   * @param threads matrices that are worked on at the same time
   */
  constructor(
    parameters: FlatParameters,
    private readonly rates: ReadonlyMap<string, TensorRates>,
    hidden: ReadonlySet<string>,
    private readonly options: MuonOptions,
    { pool, threads = 1 }: Pick<OptimizerResources, 'pool'> & { readonly threads?: number } = {},
  ) {
    const momentum = parameters.slot('momentum')
    this.matrices = parameters.tensors
      .filter(({ name }) => hidden.has(name))
      .map((t) => matrixOf(parameters, momentum, t))
      .sort((a, b) => cost(b) - cost(a))
    this.hidden = new Set(this.matrices.map(({ name }) => name))
    const only = new Set(parameters.tensors.map(({ name }) => name).filter((name) => !hidden.has(name)))
    this.others = new AdamW(parameters, rates, options.adamw, { pool, only })
    this.lanes = Array.from({ length: threads }, () => new Lane(options.momentum))
  }

  slots(tensor: string): readonly string[] {
    return this.hidden.has(tensor) ? SLOTS : this.others.slots(tensor)
  }

  async step(update: Update): Promise<number> {
    const norm = this.others.gradientNorm(update)
    if (!Number.isFinite(norm)) return norm
    const scale = this.others.gradientScale(update, norm)
    let next = 0
    const work = async (lane: Lane): Promise<void> => {
      for (let matrix = this.matrices[next++]; matrix; matrix = this.matrices[next++]) {
        await lane.move(matrix, this.factors(matrix, scale, update.schedule))
      }
    }
    const moved = this.lanes.map(work)
    this.others.apply(update, scale)
    await Promise.all(moved)
    return norm
  }

  private factors({ name, rows, columns }: Matrix, gradientScale: number, schedule: number): Factors {
    const { momentum, learningRate, weightDecay } = this.options
    const rate = learningRate * schedule * (this.rates.get(name)?.lrScale ?? 1)
    return {
      share: (1 - momentum) * gradientScale,
      kept: 1 - rate * weightDecay,
      // A tall matrix maps to more numbers than it reads: each should still move by as much.
      rate: rate * Math.sqrt(Math.max(1, rows / columns)),
    }
  }

  dispose(): void {
    for (const lane of this.lanes) lane.dispose()
    for (const { views } of this.matrices) for (const value of Object.values(views)) value.dispose()
    this.others.dispose()
  }
}

function matrixOf(parameters: FlatParameters, momentum: Float32Array, t: FlatTensor): Matrix {
  const rows = t.shape[0] as number
  const columns = t.length / rows
  const view = (flat: Float32Array) => Value.of('f32', [rows, columns], parameters.view(flat, t))
  const { gradients, weights } = parameters
  const views = { gradient: view(gradients), momentum: view(momentum), weight: view(weights) }
  return { name: t.name, rows, columns, form: formOf(rows, columns), views }
}

/** Multiplications of a step, nearly. */
function cost({ rows, columns, form }: Matrix): number {
  const [short, long] = [Math.min(rows, columns), Math.max(rows, columns)]
  return short * short * (form.long ? 2 * long + 17 * short : 10 * long + 5 * short)
}

/** The numbers of a step. */
interface Factors {
  /** Of the gradient in the momentum. */
  readonly share: number
  /** What weight decay leaves of a weight. */
  readonly kept: number
  /** Of the orthogonal direction. */
  readonly rate: number
}

/** Sessions that move one matrix at a time; `dispose` once. */
class Lane {
  private readonly sessions = new Map<string, Session>()
  private readonly scalars = { share: Value.zeros('f32', []), kept: Value.zeros('f32', []), rate: Value.zeros('f32', []) }

  constructor(private readonly momentum: number) {}

  async move({ form, views }: Matrix, factors: Factors): Promise<void> {
    const { scalars } = this
    for (const name of ['share', 'kept', 'rate'] as const) scalars[name].data[0] = factors[name]
    const outputs = { 'next momentum': views.momentum, 'next weight': views.weight }
    await this.session(form).run({ inputs: { ...views, ...scalars }, outputs })
  }

  private session(form: Form): Session {
    const key = JSON.stringify(form)
    const known = this.sessions.get(key)
    if (known) return known
    const made = new Session(stepGraph(form, this.momentum), new Map(), { threads: 1, memoryPattern: false })
    this.sessions.set(key, made)
    return made
  }

  dispose(): void {
    for (const session of this.sessions.values()) session.dispose()
    for (const value of Object.values(this.scalars)) value.dispose()
  }
}

/** The step of a matrix. Momentum and weight have one reader each, which comes before the output that is written over them. */
function stepGraph(form: Form, beta: number): Graph {
  const g = new Graph('muon')
  const shape = ['rows', 'columns']
  const matrix = (name: string) => g.input(name, 'f32', shape)
  const scalar = (name: string) => g.input(name, 'f32', [])
  const [gradient, momentum, weight] = [matrix('gradient'), matrix('momentum'), matrix('weight')]
  const times = (x: typeof gradient, factor: typeof gradient) => g.float('Mul', [x, factor], shape)
  const share = times(gradient, scalar('share'))
  const moved = g.float('Add', [times(momentum, g.scalar(beta)), share], shape)
  const direction = g.float('Add', [times(moved, g.scalar(beta)), share], shape)
  const change = times(orthogonal(g, direction, form), scalar('rate'))
  g.output('next momentum', moved)
  g.output('next weight', g.float('Sub', [times(weight, scalar('kept')), change], shape))
  return g
}
