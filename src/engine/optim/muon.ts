/**
 * Muon (Jordan et al., 2024): the hidden matrices of a network move along their momentum with all singular values brought to 1, so that
 * rare directions are learned as fast as common ones. What is no hidden matrix (embeddings, output head, norms, biases, positions) is
 * updated by AdamW beside it, at a rate of its own. Its cost is fifteen products a matrix and step.
 */
import { AdamW, type AdamWOptions, type OptimizerResources } from './adamw.js'
import type { FlatParameters, FlatTensor } from './flat-parameters.js'
import { NewtonSchulz } from './newton-schulz.js'
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

/** A convolution [out, ...rest] counts as the matrix [out, product of rest]. */
export class Muon implements Optimizer {
  private readonly matrices: readonly FlatTensor[]
  private readonly others: AdamW
  private readonly orthogonal: NewtonSchulz
  private readonly momentum: Float32Array

  /**
   * @param rates `lrScale` holds for every tensor, `weightDecay` for those of AdamW
   * @param hidden names of the hidden matrices; a tensor of fewer than two dimensions must not be among them
   * @param threads inside each product
   */
  constructor(
    private readonly parameters: FlatParameters,
    private readonly rates: ReadonlyMap<string, TensorRates>,
    hidden: ReadonlySet<string>,
    private readonly options: MuonOptions,
    { pool, threads = 1 }: Pick<OptimizerResources, 'pool'> & { readonly threads?: number } = {},
  ) {
    this.matrices = parameters.tensors.filter(({ name }) => hidden.has(name))
    const only = new Set(parameters.tensors.map(({ name }) => name).filter((name) => !hidden.has(name)))
    this.others = new AdamW(parameters, rates, options.adamw, { pool, only })
    this.orthogonal = new NewtonSchulz(threads)
    this.momentum = parameters.slot('momentum')
  }

  slots(tensor: string): readonly string[] {
    return this.matrices.some(({ name }) => name === tensor) ? SLOTS : this.others.slots(tensor)
  }

  async step(update: Update): Promise<number> {
    const norm = this.others.gradientNorm(update)
    if (!Number.isFinite(norm)) return norm
    const scale = this.others.gradientScale(update, norm)
    this.others.apply(update, scale)
    for (const matrix of this.matrices) await this.move(matrix, scale, update.schedule)
    return norm
  }

  private async move(t: FlatTensor, gradientScale: number, schedule: number): Promise<void> {
    const { momentum: beta, learningRate, weightDecay } = this.options
    const view = (flat: Float32Array) => this.parameters.view(flat, t)
    const [weights, gradients, momentum] = [view(this.parameters.weights), view(this.parameters.gradients), view(this.momentum)]
    const direction = new Float32Array(t.length)
    for (let i = 0; i < t.length; i++) {
      const g = (gradients[i] as number) * gradientScale
      const m = beta * (momentum[i] as number) + (1 - beta) * g
      momentum[i] = m
      direction[i] = beta * m + (1 - beta) * g
    }
    const rows = t.shape[0] as number
    const columns = t.length / rows
    const orthogonal = await this.orthogonal.of(direction, rows, columns)
    const rate = learningRate * schedule * (this.rates.get(t.name)?.lrScale ?? 1)
    // A tall matrix maps to more numbers than it reads: each should still move by as much.
    const factor = rate * Math.sqrt(Math.max(1, rows / columns))
    const kept = 1 - rate * weightDecay
    for (let i = 0; i < t.length; i++) weights[i] = kept * (weights[i] as number) - factor * (orthogonal[i] as number)
  }

  dispose(): void {
    this.orthogonal.dispose()
    this.others.dispose()
  }
}
