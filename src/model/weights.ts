/**
 * Where the network's weights come from. The model code asks for a tensor or a linear layer by its checkpoint name;
 * whether that is a trainable parameter, a mapped float weight or 4-bit blocks is decided here and nowhere else.
 */
import { add, type Graph, linear, type Tensor } from '../engine/index.js'

/** Weights as the model code sees them. */
export interface Weights {
  /** A tensor by its checkpoint name. */
  tensor(g: Graph, name: string): Tensor
  /** x W^T for the two-dimensional tensor `${name}.weight`: x [..., in] -> [..., out]. */
  product(g: Graph, x: Tensor, name: string): Tensor
  has(name: string): boolean
}

/** Float weights: trainable where `trains` says so, constants otherwise. */
export function floatWeights(
  shapes: ReadonlyMap<string, readonly number[]>,
  trains: (name: string) => boolean = () => false,
): Weights {
  const tensor = (g: Graph, name: string, shared = false) => {
    const shape = shapes.get(name)
    if (!shape) throw new RangeError(`the model has no tensor ${name}`)
    return trains(name) ? g.trainable(name, shape) : g.weight(name, 'f32', shape, shared)
  }
  return {
    tensor: (g, name) => tensor(g, name),
    product: (g, x, name) => linear(g, x, tensor(g, `${name}.weight`, true)),
    has: (name) => shapes.has(name),
  }
}

/** A linear layer with its bias, if the checkpoint has one: x [..., in] -> [..., out]. */
export function dense(g: Graph, w: Weights, x: Tensor, name: string): Tensor {
  const y = w.product(g, x, name)
  return w.has(`${name}.bias`) ? add(g, y, w.tensor(g, `${name}.bias`)) : y
}
