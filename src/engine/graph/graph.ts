/**
 * The graph builder: symbolic tensors in, ONNX model out. Shapes and types are checked while a graph is built, so a
 * mistake names the operation and the shapes. Operations (ops/) record themselves on a tape when they depend on a
 * trainable parameter; autodiff.ts walks that tape backwards and emits into the same graph.
 */

import { basename } from 'node:path'
import { libraryPath } from '../runtime/ort.js'
import { type Dim, elements, type Shape, sameShape } from './dims.js'
import { GradientError, ShapeError } from './errors.js'
import { type Attribute, type Dtype, encodeModel, type InitializerRecord, type NodeRecord, type ValueRecord } from './onnx.js'
import type { AnyOperation, Operation, Signature, TapeEntry, Tensor, Tensors } from './operation.js'

/** Base name of the file that a model names for weights handed over at run time; any existing file would do. */
const weightPlaceholder = basename(libraryPath())

const arrays = { f32: Float32Array, i64: BigInt64Array, i32: Int32Array } as const

/** A graph under construction. */
export class Graph {
  private readonly nodes: NodeRecord[] = []
  private readonly inputs: ValueRecord[] = []
  private readonly outputs: ValueRecord[] = []
  private readonly initializers = new Map<string, InitializerRecord>()
  private readonly parameters = new Map<string, Tensor>()
  private readonly constants = new Map<string, Tensor>()
  private readonly names = new Set<string>()
  /** Weights that stay outside the model. */
  readonly shared = new Set<string>()
  private readonly renamed = new Map<string, string>()
  private counter = 0
  private recording = true
  /** Whether nodes are being written by an operation, which answers for their gradient. */
  private withinOperation = false
  /** Recorded operations in order; read by autodiff. */
  readonly tape: TapeEntry[] = []

  constructor(readonly name: string) {}

  private unique(name: string): string {
    if (this.names.has(name)) throw new ShapeError(name, [], 'a name used once in a graph', 'a second use')
    this.names.add(name)
    return name
  }

  /** A value given at each run. */
  input(name: string, dtype: Dtype, shape: Shape): Tensor {
    this.inputs.push({ name: this.unique(name), dtype, shape })
    return { name, dtype, shape, requiresGrad: false }
  }

  /** A trainable parameter: given at each run (it changes in place between runs), and gradients flow to it. */
  trainable(name: string, shape: readonly number[]): Tensor {
    const known = this.parameters.get(name)
    if (known) return known
    this.inputs.push({ name: this.unique(name), dtype: 'f32', shape })
    const tensor = { name, dtype: 'f32', shape, requiresGrad: true } as const
    this.parameters.set(name, tensor)
    return tensor
  }

  /**
   * A weight that never changes. `shared` ones are only ever the second factor of a product: they stay in the memory that
   * is handed over, and sessions share them. The others become part of the model, because ONNX Runtime's constant folding
   * does not see values that are handed over.
   */
  weight(name: string, dtype: Dtype, shape: readonly number[], shared = false): Tensor {
    const known = this.parameters.get(name)
    if (known) {
      if (!shared) this.shared.delete(name)
      return known
    }
    if (shared) this.shared.add(name)
    this.initializers.set(this.unique(name), { name, dtype, shape })
    const tensor = { name, dtype, shape, requiresGrad: false }
    this.parameters.set(name, tensor)
    return tensor
  }

  /** A constant that is part of the model; equal constants are stored once. */
  constant(
    dtype: 'f32' | 'i64' | 'i32',
    shape: readonly number[],
    values: readonly number[] | Float32Array | Int32Array,
  ): Tensor {
    if (values.length !== elements(shape)) {
      throw new ShapeError('constant', [shape], `${elements(shape)} values`, `${values.length}`)
    }
    const short = values.length <= 16 ? `${dtype}[${shape.join()}]${Array.from(values).join()}` : undefined
    const known = short === undefined ? undefined : this.constants.get(short)
    if (known) return known
    const data = dtype === 'i64' ? BigInt64Array.from(values, BigInt) : arrays[dtype].from(values)
    const name = this.unique(`constant_${this.counter++}`)
    this.initializers.set(name, { name, dtype, shape, bytes: new Uint8Array(data.buffer) })
    const tensor = { name, dtype, shape, requiresGrad: false }
    if (short !== undefined) this.constants.set(short, tensor)
    return tensor
  }

  /** A float constant of shape []. */
  scalar(value: number): Tensor {
    return this.constant('f32', [], [value])
  }

  /** Emits one node whose outputs have the given signatures. For operations and gradient rules only. */
  node(
    type: string,
    inputs: readonly (Tensor | undefined)[],
    outputs: readonly Signature[],
    attributes: Record<string, Attribute> = {},
    domain: '' | 'com.microsoft' = '',
  ): Tensor[] {
    const made = outputs.map((s) => this.fresh(s, false))
    this.nodeInto(type, inputs, made, attributes, domain)
    return made
  }

  /** Emits one node with one float output of the given shape. For operations and gradient rules only. */
  float(
    type: string,
    inputs: readonly (Tensor | undefined)[],
    shape: Shape,
    attributes: Record<string, Attribute> = {},
    domain: '' | 'com.microsoft' = '',
  ): Tensor {
    return this.node(type, inputs, [{ shape, dtype: 'f32' }], attributes, domain)[0] as Tensor
  }

  /** Emits one node that writes tensors which already have names. */
  nodeInto(
    type: string,
    inputs: readonly (Tensor | undefined)[],
    outputs: readonly (Tensor | undefined)[],
    attributes: Record<string, Attribute> = {},
    domain: '' | 'com.microsoft' = '',
  ): void {
    const source = this.recording && !this.withinOperation ? inputs.find((x) => x?.requiresGrad) : undefined
    if (source) throw new GradientError(type, source)
    this.nodes.push({
      type,
      domain,
      inputs: inputs.map((t) => t?.name ?? ''),
      outputs: outputs.map((t) => t?.name ?? ''),
      attributes,
    })
  }

  private fresh(s: Signature, requiresGrad: boolean): Tensor {
    return { name: this.unique(`t${this.counter++}`), dtype: s.dtype, shape: s.shape, requiresGrad }
  }

  /**
   * Applies an operation: infers, emits, and records it when a gradient may have to flow through it.
   * @throws GradientError when one would have to and the operation has none
   */
  apply<In extends Tensors, Out extends Tensors, A>(
    operation: Operation<In, Out, A>,
    inputs: NoInfer<In>,
    attributes: NoInfer<A>,
  ): Out {
    const source = this.recording ? inputs.find((t) => t.requiresGrad) : undefined
    if (source && !operation.gradient) throw new GradientError(operation.name, source)
    const recorded = source !== undefined
    const signatures: readonly Signature[] = operation.infer(inputs, attributes)
    const outputs = signatures.map((s) => this.fresh(s, recorded && s.dtype === 'f32')) as Tensors as Out
    const before = this.withinOperation
    this.withinOperation = true
    try {
      operation.emit(this, inputs, outputs, attributes)
    } finally {
      this.withinOperation = before
    }
    if (recorded) this.tape.push({ operation: operation as unknown as AnyOperation, inputs, outputs, attributes })
    return outputs
  }

  /** Runs `build` without recording: for gradient rules made of operations. */
  withoutGradients<T>(build: () => T): T {
    const before = this.recording
    this.recording = false
    try {
      return build()
    } finally {
      this.recording = before
    }
  }

  /**
   * Names a tensor as an output of the graph. The node that makes it writes the output's memory itself (an Identity would
   * copy, which an in-place KV cache cannot afford), so a tensor can be an output once.
   */
  output(name: string, tensor: Tensor): void {
    this.outputs.push({ name: this.unique(name), dtype: tensor.dtype, shape: tensor.shape })
    if (this.inputs.some((v) => v.name === tensor.name) || this.renamed.has(tensor.name) || this.initializers.has(tensor.name)) {
      this.withoutGradients(() => this.nodeInto('Identity', [tensor], [{ ...tensor, name }]))
    } else {
      this.renamed.set(tensor.name, name)
    }
  }

  /** Names of graph inputs, in order. */
  get inputNames(): readonly string[] {
    return this.inputs.map((v) => v.name)
  }

  /** Names, types and shapes of the weights that a session must be given. */
  get openWeights(): readonly InitializerRecord[] {
    return [...this.initializers.values()].filter((t) => !t.bytes)
  }

  /** The bytes of the .onnx model. @param weights bytes of the weights that are not shared */
  encode(weights: (name: string) => Uint8Array): Uint8Array {
    const { name, inputs, outputs } = this
    const final = (t: string) => this.renamed.get(t) ?? t
    const nodes = this.nodes.map((n) => ({ ...n, inputs: n.inputs.map(final), outputs: n.outputs.map(final) }))
    const initializers = [...this.initializers.values()].map((t) =>
      t.bytes || this.shared.has(t.name) ? t : { ...t, bytes: weights(t.name) },
    )
    return encodeModel({ name, nodes, inputs, outputs, initializers }, weightPlaceholder)
  }
}

/** Throws unless the tensor has this type and rank; returns its shape. */
export function expectRank(operation: string, tensor: Tensor, dtype: Dtype, rank: number): Shape {
  if (tensor.dtype !== dtype || tensor.shape.length !== rank) {
    throw new ShapeError(operation, [tensor.shape], `${dtype} of rank ${rank}`, `${tensor.dtype} of rank ${tensor.shape.length}`)
  }
  return tensor.shape
}

/** Throws unless the tensor has exactly this shape. */
export function expectShape(operation: string, what: string, tensor: Tensor, shape: Shape): void {
  if (!sameShape(tensor.shape, shape)) {
    throw new ShapeError(operation, [tensor.shape], `${what} of [${shape.join(', ')}]`, `[${tensor.shape.join(', ')}]`)
  }
}

/** A dimension that must be static. */
export function staticDim(operation: string, shape: Shape, axis: number): number {
  const dim: Dim | undefined = shape.at(axis)
  if (typeof dim !== 'number') throw new ShapeError(operation, [shape], `a static size at axis ${axis}`, String(dim))
  return dim
}
