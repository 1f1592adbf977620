/** The projectors that config.json's "projector" may name, each by its `type`. */
import type { Graph, Tensor } from '../../engine/index.js'
import type { ParameterSpec } from '../parameter-spec.js'
import type { Attention } from '../vision/attention.js'
import type { Weights } from '../weights.js'
import { avgPool } from './avg-pool.js'
import { merge2x2 } from './merge-2x2.js'
import { mlp } from './mlp.js'
import type { Projector, ProjectorSizes } from './projector.js'
import { qFormer } from './q-former.js'

const table = { mlp, 'avg-pool': avgPool, 'merge-2x2': merge2x2, 'q-former': qFormer }

type ConfigOf<P> = P extends Projector<infer C> ? C : never
type ProjectorConfigs = { readonly [T in keyof typeof table]: ConfigOf<(typeof table)[T]> }

export type ProjectorType = keyof ProjectorConfigs
/** Settings of a projector, told apart by `type`. */
export type ProjectorConfig = ProjectorConfigs[ProjectorType]

/** The projectors by type. */
export const projectors: { readonly [T in ProjectorType]: Projector<ProjectorConfigs[T]> } = table
export const projectorTypes = Object.keys(table) as [ProjectorType, ...ProjectorType[]]

/** A projector with its settings and sizes. */
export interface ConfiguredProjector {
  /** Name of its last linear layer. */
  readonly output: string
  readonly imageTokens: number
  readonly multiplications: number
  /** What does not fit between settings and sizes. */
  readonly problem: string | undefined
  parameters(): ParameterSpec[]
  build(g: Graph, w: Weights, features: Tensor, attend: Attention): Tensor
}

function configured<T extends ProjectorType>(type: T, c: ProjectorConfigs[T], sizes: ProjectorSizes): ConfiguredProjector {
  const projector = projectors[type]
  return {
    output: projector.output,
    imageTokens: projector.imageTokens(c, sizes),
    multiplications: projector.multiplications(c, sizes),
    problem: projector.problem?.(c, sizes),
    parameters: () => projector.parameters(c, sizes),
    build: (g, w, features, attend) => projector.build(g, w, features, c, sizes, attend),
  }
}

/** The projector of a configuration. */
export function projectorOf(c: ProjectorConfig, sizes: ProjectorSizes): ConfiguredProjector {
  return configured(c.type, c, sizes)
}
