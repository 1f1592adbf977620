/** AdamW with decoupled decay over flat arrays (SPEC 11.4b), with clipping by the global norm. */
import { XComposerError } from '../../common/errors.js'
import { CHUNK, type OptimiserMemory, optimiserMemory, optimiserTask, tasks } from './adamw-kernel.js'
import type { FlatParameters } from './flat-parameters.js'
import type { Optimizer, TensorRates, Update } from './optimizer.js'
import type { OptimizerPool } from './optimizer-pool.js'

/** Settings that hold for all tensors. */
export interface AdamWOptions {
  readonly learningRate: number
  readonly betas: readonly [number, number]
  readonly epsilon: number
  /** Gradients are scaled down to this 2-norm over all tensors together; Infinity = off. */
  readonly maxNorm: number
}

/** What an optimiser may be given to work with. */
export interface OptimizerResources {
  /** Threads that share the element-wise work; results are the same to the bit without them. */
  readonly pool?: OptimizerPool | undefined
  /** Tensors that are updated; default all. */
  readonly only?: ReadonlySet<string>
}

const SLOTS = ['firstMoment', 'secondMoment'] as const

/** Tensors without rates are updated at a scale of 1 without decay. */
export class AdamW implements Optimizer {
  private readonly memory: OptimiserMemory

  /** @throws XComposerError when the pool was made for other parameters */
  constructor(
    private readonly parameters: FlatParameters,
    private readonly rates: ReadonlyMap<string, TensorRates>,
    private readonly options: AdamWOptions,
    private readonly resources: OptimizerResources = {},
  ) {
    const { pool } = resources
    if (pool && pool.parameters !== parameters) throw new XComposerError('AdamW: the pool was made for other parameters')
    this.memory = pool?.memory ?? optimiserMemory(parameters)
  }

  slots(tensor: string): readonly string[] {
    return this.updates(tensor) ? SLOTS : []
  }

  async step(update: Update): Promise<number> {
    const norm = this.gradientNorm(update)
    if (Number.isFinite(norm)) this.apply(update, this.gradientScale(update, norm))
    return norm
  }

  /** 2-norm of the mean gradients of all tensors, also of those that another optimiser updates. */
  gradientNorm({ targets }: Update): number {
    this.run(tasks.norm)
    return Math.sqrt(this.memory.sums.reduce((a, b) => a + b, 0)) / targets
  }

  /** What summed gradients are multiplied by, to be means and clipped. */
  gradientScale({ targets }: Update, norm: number): number {
    return Math.min(1, this.options.maxNorm / (norm + 1e-6)) / targets
  }

  /** The update itself. */
  apply({ step, schedule }: Update, gradientScale: number): void {
    const { segments, scalars } = this.memory
    const [b1, b2] = this.options.betas
    const correction1 = 1 - b1 ** step
    const correction2 = Math.sqrt(1 - b2 ** step)
    scalars.set([gradientScale, b1, b2, this.options.epsilon * correction2])
    this.parameters.tensors.forEach(({ name, offset, length }, i) => {
      const { lrScale, weightDecay } = this.rates.get(name) ?? { lrScale: 1, weightDecay: 0 }
      const rate = this.options.learningRate * schedule * lrScale
      segments.begin[i] = offset
      segments.end[i] = this.updates(name) ? offset + length : offset
      // (r m / c1) / (sqrt(v) / c2 + eps) with c2 moved to the front, so that the loop has one division.
      segments.factor[i] = (rate * correction2) / correction1
      segments.kept[i] = 1 - rate * weightDecay
    })
    this.run(tasks.update)
  }

  dispose(): void {
    // The pool belongs to whoever made it.
  }

  private updates(tensor: string): boolean {
    return this.resources.only?.has(tensor) ?? true
  }

  private run(task: number): void {
    const { memory } = this
    if (this.resources.pool) {
      this.resources.pool.run(task)
      return
    }
    for (let chunk = 0; chunk < memory.sums.length; chunk++) {
      const begin = chunk * CHUNK
      optimiserTask(task, memory, chunk, begin, Math.min(begin + CHUNK, memory.weights.length))
    }
  }
}
