/** Builds and runs a small graph once on plain arrays: for tests, checks and one-off computations, not for hot paths. */
import type { Dim } from '../graph/dims.js'
import type { Graph } from '../graph/graph.js'
import type { ArrayOf, Dtype } from '../graph/onnx.js'
import type { Tensor } from '../graph/operation.js'
import { Session, type SessionOptions } from './session.js'
import { Value } from './value.js'

/** A plain array with its shape. */
export interface HostTensor<D extends Dtype = Dtype> {
  readonly dtype: D
  readonly shape: readonly number[]
  readonly data: ArrayOf[D]
}

/**
 * Runs `g` with the given inputs and returns its named outputs. `sizes` gives the dynamic dimensions of the outputs;
 * inputs that the graph does not have are ignored.
 */
export async function runOnce(
  g: Graph,
  inputs: Readonly<Record<string, HostTensor>>,
  outputs: Readonly<Record<string, Tensor>>,
  sizes: Readonly<Record<string, number>> = {},
  options: SessionOptions = {},
): Promise<Record<string, HostTensor>> {
  for (const [name, tensor] of Object.entries(outputs)) g.output(name, tensor)
  const values: Value[] = []
  const keep = (v: Value) => {
    values.push(v)
    return v
  }
  const make = (p: HostTensor) => keep(Value.of(p.dtype, p.shape, p.data))
  const weights = new Map(g.openWeights.map((w) => [w.name, make(inputs[w.name] as HostTensor)]))
  const session = new Session(g, weights, { threads: 1, ...options })
  try {
    const bound = Object.fromEntries(g.inputNames.map((name) => [name, make(inputs[name] as HostTensor)]))
    const made = Object.fromEntries(
      Object.entries(outputs).map(([name, t]) => [
        name,
        keep(
          Value.zeros(
            t.dtype,
            t.shape.map((d) => size(d, sizes)),
          ),
        ),
      ]),
    )
    await session.run({ inputs: bound, outputs: made })
    return Object.fromEntries(Object.entries(made).map(([name, v]) => [name, { dtype: v.dtype, shape: v.shape, data: v.data }]))
  } finally {
    session.dispose()
    for (const value of values) value.dispose()
  }
}

/** The number behind a dimension, given the sizes of the dynamic ones. */
export function size(dim: Dim, sizes: Readonly<Record<string, number>>): number {
  if (typeof dim === 'number') return dim
  return dim.split('*').reduce((n, part) => n * (sizes[part] ?? Number(part)), 1)
}
