/** The adapters that config.json's "adapter" may name, each by its `type`. */
import type { Graph, Tensor } from '../../engine/index.js'
import type { DecoderLinear } from '../decoder/linears.js'
import type { ParameterSpec } from '../parameter-spec.js'
import type { Weights } from '../weights.js'
import type { Adapter, MarkedRows } from './adapter.js'
import { expert } from './expert.js'
import { lora } from './lora.js'
import { none } from './none.js'
import { plora } from './plora.js'

const table = { none, plora, lora, expert }

type ConfigOf<A> = A extends Adapter<infer C> ? C : never
type AdapterConfigs = { readonly [T in keyof typeof table]: ConfigOf<(typeof table)[T]> }

export type AdapterType = keyof AdapterConfigs
/** Settings of an adapter, told apart by `type`. */
export type AdapterConfig = AdapterConfigs[AdapterType]

/** The adapters by type. */
export const adapters: { readonly [T in AdapterType]: Adapter<AdapterConfigs[T]> } = table
export const adapterTypes = Object.keys(table) as [AdapterType, ...AdapterType[]]

/** An adapter with its settings. */
export interface ConfiguredAdapter {
  readonly rows: Adapter<AdapterConfig>['rows']
  parameters(linear: DecoderLinear): ParameterSpec[]
  apply(g: Graph, w: Weights, x: MarkedRows, linear: DecoderLinear): Tensor
}

function configured<T extends AdapterType>(type: T, c: AdapterConfigs[T]): ConfiguredAdapter {
  const adapter = adapters[type]
  return {
    rows: adapter.rows,
    parameters: (linear) => adapter.parameters(linear, c),
    apply: (g, w, x, linear) => adapter.apply(g, w, x, linear, c),
  }
}

/** The adapter of a configuration. */
export function adapterOf(c: AdapterConfig): ConfiguredAdapter {
  return configured(c.type, c)
}
