/**
 * The optimisers that a recipe may choose: the fields of each, what the log says of it, and how it is made for a run. A new one is an
 * entry here and a class in engine/optim.
 */
import { z } from 'zod'
import { AdamW, type FlatParameters, Muon, type Optimizer, type OptimizerPool, type TensorRates } from '../engine/index.js'
import type { ParameterSpec } from '../model/parameter-spec.js'

/** The recipe's values that any optimiser may read. */
export interface CommonSettings {
  readonly learningRate: number
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly clip: number
  readonly weightDecay: number
  readonly threads: number
}

/** What an optimiser is made over. */
export interface OptimizerSetup {
  readonly parameters: FlatParameters
  readonly specs: readonly ParameterSpec[]
  readonly rates: ReadonlyMap<string, TensorRates>
  readonly pool: OptimizerPool | undefined
}

interface OptimizerKind<Settings> {
  /** Fields under `optimizer` beside `type`, each with a default. */
  readonly fields: z.ZodType<Settings>
  /** `learning_rate` of a recipe that gives none; without it the recipe must. */
  readonly learningRate?: number
  describe(settings: Settings, common: CommonSettings): string
  create(settings: Settings, common: CommonSettings, setup: OptimizerSetup): Optimizer
}

const kind = <Settings>(k: OptimizerKind<Settings>): OptimizerKind<Settings> => k

const adamwOptions = ({ learningRate, betas, eps, clip }: CommonSettings) => ({
  learningRate,
  betas,
  epsilon: eps,
  maxNorm: clip,
})

const describeAdamW = ({ betas, eps, weightDecay, clip }: CommonSettings): string =>
  `betas ${betas.join(', ')}, eps ${eps}, weight decay ${weightDecay}, clip ${clip}`

/** By the name that a recipe gives. */
export const optimizers = {
  adamw: kind({
    fields: z.strictObject({}),
    describe: (_, common) => `AdamW, ${describeAdamW(common)}`,
    create: (_, common, { parameters, rates, pool }) => new AdamW(parameters, rates, adamwOptions(common), { pool }),
  }),
  muon: kind({
    fields: z.strictObject({
      learning_rate: z.number().positive().max(1).default(0.02),
      momentum: z.number().min(0).lt(1).default(0.95),
      weight_decay: z.number().min(0).max(1).default(0.05),
    }),
    learningRate: 2e-3,
    describe: (s, common) =>
      `Muon, rate ${s.learning_rate}, momentum ${s.momentum}, weight decay ${s.weight_decay}; the rest AdamW, ${describeAdamW(common)}`,
    create: (s, common, { parameters, specs, rates, pool }) =>
      new Muon(
        parameters,
        rates,
        hiddenMatrices(specs),
        { learningRate: s.learning_rate, momentum: s.momentum, weightDecay: s.weight_decay, adamw: adamwOptions(common) },
        { pool, threads: common.threads },
      ),
  }),
}

export type OptimizerName = keyof typeof optimizers

/** What a recipe says of its optimiser, with every field filled in. */
export type OptimizerSettings = { readonly type: OptimizerName } & Readonly<Record<string, unknown>>

/** `optimizer: NAME`, or `optimizer: { type: NAME, ... }` with fields of its own. */
export const optimizerField = z.preprocess(
  (value) => (typeof value === 'string' ? { type: value } : value),
  z
    .looseObject({ type: z.enum(Object.keys(optimizers) as [OptimizerName, ...OptimizerName[]]) })
    .transform(({ type, ...fields }, context): OptimizerSettings => {
      const checked = optimizers[type].fields.safeParse(fields)
      if (checked.success) return { type, ...checked.data }
      for (const issue of checked.error.issues) context.addIssue({ ...issue } as Parameters<typeof context.addIssue>[0])
      return z.NEVER
    }),
)

/** The kind and its settings, whose fields `optimizerField` has checked against it. */
function chosen({ type, ...settings }: OptimizerSettings): { kind: OptimizerKind<unknown>; settings: unknown } {
  return { kind: optimizers[type] as OptimizerKind<unknown>, settings }
}

/** One line for the log. */
export function describeOptimizer(settings: OptimizerSettings, common: CommonSettings): string {
  const { kind, settings: own } = chosen(settings)
  return kind.describe(own, common)
}

/** The optimiser of a run; `dispose` it before the parameters. */
export function createOptimizer(settings: OptimizerSettings, common: CommonSettings, setup: OptimizerSetup): Optimizer {
  const { kind, settings: own } = chosen(settings)
  return kind.create(own, common, setup)
}

/**
 * What Muon makes orthogonal: weights of linear layers, factors of low-rank paths, convolutions. Not the output head, which stands
 * behind the decoder's blocks, nor anything that is looked up or added.
 */
export function hiddenMatrices(specs: readonly ParameterSpec[]): ReadonlySet<string> {
  const roles: readonly string[] = ['linear', 'low-rank-a', 'low-rank-b', 'convolution']
  return new Set(
    specs
      .filter(({ role, part, layer, shape }) => {
        const head = part === 'decoder' && layer === undefined
        return roles.includes(role) && !head && shape.length >= 2
      })
      .map(({ name }) => name),
  )
}
