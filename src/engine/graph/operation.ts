/**
 * What an operation is: its shape rule, what it emits forward and how gradients flow back, side by side. `defineOperation` puts each
 * into one table, which the gradient test walks. An operation without a gradient is for inference: meeting a tensor that requires a
 * gradient while the tape records, it throws instead of swallowing the gradient.
 */
import type { Shape } from './dims.js'
import type { Graph } from './graph.js'
import type { Dtype } from './onnx.js'

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

/** Inputs or outputs of an operation: a tuple where their number is fixed. */
export type Tensors = readonly Tensor[]

/** What a gradient rule sees. */
export interface GradientContext<In extends Tensors, Out extends Tensors, A> {
  readonly inputs: In
  readonly outputs: Out
  /** Gradient of each output; undefined where nothing flows (never for the only output). */
  readonly grads: Out extends readonly [Tensor] ? readonly [Tensor] : { readonly [K in keyof Out]: Tensor | undefined }
  /** Which inputs need a gradient. */
  readonly wanted: { readonly [K in keyof In]: boolean }
  readonly attributes: A
}

/** An operation of inputs `In` and outputs `Out` with attributes `A`. */
export interface Operation<In extends Tensors, Out extends Tensors, A> {
  readonly name: string
  /** Checks the inputs and gives the outputs' signatures; throws ShapeError. */
  infer(inputs: In, attributes: A): { readonly [K in keyof Out]: Signature }
  emit(g: Graph, inputs: In, outputs: Out, attributes: A): void
  /**
   * Given the gradients of the outputs, the gradients of the inputs (undefined where there is none or `wanted` is
   * false). Absent: the operation is for inference only.
   */
  gradient?(g: Graph, context: GradientContext<In, Out, A>): readonly (Contribution | undefined)[]
  /**
   * For an operation of one input and one output: the input's gradient straight from factors of the output's, where that
   * is cheaper than from their product; undefined where it is not.
   */
  gradientOfProduct?(g: Graph, input: Tensor, product: Product, attributes: A): Tensor | undefined
}

/** An operation whose types are forgotten, as the tape and the table hold it. */
export type AnyOperation = Operation<Tensors, Tensors, unknown>

/** One recorded operation. */
export interface TapeEntry {
  readonly operation: AnyOperation
  readonly inputs: Tensors
  readonly outputs: Tensors
  readonly attributes: unknown
}

const table = new Map<string, AnyOperation>()

/** Every operation that is defined, by name. */
export const operations: ReadonlyMap<string, AnyOperation> = table

/** Defines an operation and enters it into the table. @throws RangeError for a name that is taken */
export function defineOperation<In extends Tensors, Out extends Tensors, A>(
  name: string,
  rules: Omit<Operation<In, Out, A>, 'name'>,
): Operation<In, Out, A> {
  if (table.has(name)) throw new RangeError(`operation ${name} is defined twice`)
  const operation = { name, ...rules }
  // The table hands operations only what the tape recorded for them, which `Graph.apply` has checked.
  table.set(name, operation as unknown as AnyOperation)
  return operation
}
