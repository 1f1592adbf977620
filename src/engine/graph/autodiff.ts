/**
 * Reverse-mode differentiation: walks a graph's tape backwards and emits the backward pass into the same graph. Each
 * rule stands beside its operation in ops/; this file only routes and sums.
 */

import { zerosLike } from '../ops/shape.js'
import { ShapeError } from './errors.js'
import type { Graph } from './graph.js'
import type { AnyOperation, Contribution, GradientContext, TapeEntry, Tensor, Tensors } from './operation.js'

/**
 * Gradients of a scalar loss with respect to `parameters`, as tensors of the same graph.
 * A parameter that the loss does not depend on is missing from the result.
 */
export function gradients(g: Graph, loss: Tensor, parameters: readonly Tensor[]): Map<string, Tensor> {
  if (loss.shape.length !== 0) throw new ShapeError('gradients', [loss.shape], 'a scalar loss', `rank ${loss.shape.length}`)
  const pending = new Map<string, Contribution[]>([[loss.name, [g.scalar(1)]]])
  const total = (t: Tensor): Tensor | undefined => {
    const parts = pending.get(t.name)
    if (!parts) return undefined
    const sum = sumContributions(g, t, parts)
    pending.set(t.name, [sum])
    return sum
  }
  return g.withoutGradients(() => {
    for (const entry of [...g.tape].reverse()) {
      const { operation } = entry
      const short = fromProduct(g, entry, operation, pending)
      if (short) {
        const input = entry.inputs[0] as Tensor
        pending.set(input.name, [...(pending.get(input.name) ?? []), short])
        pending.delete(entry.outputs[0]?.name ?? '')
        continue
      }
      const grads = entry.outputs.map(total)
      if (!operation.gradient || grads.every((d) => d === undefined)) continue
      const wanted = entry.inputs.map((t) => t.requiresGrad)
      const context: GradientContext<Tensors, Tensors, unknown> = {
        inputs: entry.inputs,
        outputs: entry.outputs,
        grads,
        wanted,
        attributes: entry.attributes,
      }
      operation.gradient(g, context).forEach((d, i) => {
        const input = entry.inputs[i]
        if (!d || !input?.requiresGrad) return
        pending.set(input.name, [...(pending.get(input.name) ?? []), d])
      })
      for (const output of entry.outputs) pending.delete(output.name)
    }
    return new Map(
      parameters.flatMap((p): [string, Tensor][] => {
        const d = total(p)
        return d ? [[p.name, d]] : []
      }),
    )
  })
}

/** The gradient of an operation that takes its output's gradient as factors, if that gradient is nothing else. */
function fromProduct(
  g: Graph,
  { inputs: [input], outputs: [output], attributes }: TapeEntry,
  operation: AnyOperation,
  pending: ReadonlyMap<string, Contribution[]>,
): Tensor | undefined {
  const [part, ...others] = pending.get(output?.name ?? '') ?? []
  if (!input || !part || !('left' in part) || others.length > 0) return undefined
  return operation.gradientOfProduct?.(g, input, part, attributes)
}

function sumContributions(g: Graph, t: Tensor, parts: readonly Contribution[]): Tensor {
  const signature = { shape: t.shape, dtype: 'f32' } as const
  const dense = parts.flatMap((p) => {
    if ('left' in p) return g.node('MatMul', [p.left, p.right], [signature])
    return 'name' in p ? [p] : []
  })
  let sum = dense[0] ?? zerosLike(g, t)
  if (dense.length > 1) sum = g.node('Sum', dense, [signature])[0] as Tensor
  for (const part of parts) {
    if (!('rows' in part)) continue
    sum = g.node('ScatterND', [sum, part.index, part.rows], [signature], { reduction: 'add' })[0] as Tensor
  }
  return sum
}
