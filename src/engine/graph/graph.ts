/**
 * The graph builder: symbolic tensors in, ONNX model out. Shapes and types are checked while a graph is built, so a
 * mistake names the operation and the shapes. Operations (ops/) record themselves on a tape when they depend on a
 * trainable parameter; autodiff.ts walks that tape backwards and emits into the same graph.
 */

import { basename } from 'node:path'
import { libraryPath } from '../runtime/ort.js'
import { type Dim, elements, type Shape, sameShape } from './dims.js'
import { ShapeError } from './errors.js'
import { type Attribute, type Dtype, encodeModel, type InitializerRecord, type NodeRecord, type ValueRecord } from './onnx.js'

/** A symbolic tensor of one graph. */
export interface Tensor {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: Shape
  /** Whether a trainable parameter stands behind it. */
  readonly requiresGrad: boolean
}

/** Shape and type of a tensor that an operation is about to make. */
export interface Signature {
  readonly shape: Shape
  readonly dtype: Dtype
}

/** An operation: what it makes, what it emits forward, and how gradients flow back, in one place. */
export interface Operation<A> {
  readonly name: string
  /** Checks the inputs and gives the outputs' signatures; throws ShapeError. */
  infer(inputs: readonly Tensor[], attributes: A): readonly Signature[]
  emit(g: Graph, inputs: readonly Tensor[], outputs: readonly Tensor[], attributes: A): void
  /**
   * Given the gradients of the outputs, the gradients of the inputs (undefined where there is none or `wanted` is
   * false). Absent means that nothing flows back.
   */
  gradient?(g: Graph, context: GradientContext<A>): readonly (Contribution | undefined)[]
  /**
   * For an operation of one input and one output: the input's gradient straight from factors of the output's, where that
   * is cheaper than from their product; undefined where it is not.
   */
  gradientOfProduct?(g: Graph, input: Tensor, product: Product, attributes: A): Tensor | undefined
}

/** A gradient that is zero but for some rows: added into the sum of the others without a dense copy. */
export interface ScatteredRows {
  readonly index: Tensor
  readonly rows: Tensor
}

/** A gradient that is left [..., n] times right [n, m], not multiplied out yet: what receives it may know a shorter way. */
export interface Product {
  readonly left: Tensor
  readonly right: Tensor
}

/** What a gradient rule gives for one input. */
export type Contribution = Tensor | ScatteredRows | Product

/** What a gradient rule sees. */
export interface GradientContext<A> {
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  /** Gradient of each output; undefined where nothing flows. */
  readonly grads: readonly (Tensor | undefined)[]
  /** Which inputs need a gradient. */
  readonly wanted: readonly boolean[]
  readonly attributes: A
}

/** One recorded operation. */
export interface TapeEntry {
  readonly operation: Operation<never>
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  readonly attributes: unknown
}

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

  /** Emits one node that writes tensors which already have names. */
  nodeInto(
    type: string,
    inputs: readonly (Tensor | undefined)[],
    outputs: readonly (Tensor | undefined)[],
    attributes: Record<string, Attribute> = {},
    domain: '' | 'com.microsoft' = '',
  ): void {
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

  /** Applies an operation: infers, emits, and records it when a gradient may have to flow through it. */
  apply<A>(operation: Operation<A>, inputs: readonly Tensor[], attributes: A): Tensor[] {
    const requiresGrad = this.recording && operation.gradient !== undefined && inputs.some((t) => t.requiresGrad)
    const outputs = operation.infer(inputs, attributes).map((s) => this.fresh(s, requiresGrad && s.dtype === 'f32'))
    operation.emit(this, inputs, outputs, attributes)
    if (requiresGrad) this.tape.push({ operation: operation as unknown as Operation<never>, inputs, outputs, attributes })
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
      this.nodeInto('Identity', [tensor], [{ ...tensor, name }])
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
