/**
 * Writes ONNX models (protobuf wire format). Knows the message layout of onnx.proto and nothing about operations;
 * only what this engine emits is here: no sub-graphs, no functions, no sparse tensors.
 */
import type { Shape } from './dims.js'

/** Element types this engine uses, with their ONNX (and ORT) numbers. */
export const dtypeNumber = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, bool: 9 } as const
/** Element type of a tensor. */
export type Dtype = keyof typeof dtypeNumber

/** The typed array that holds each element type. */
export interface ArrayOf {
  f32: Float32Array
  u8: Uint8Array
  i8: Int8Array
  i32: Int32Array
  i64: BigInt64Array
  bool: Uint8Array
}

/** An attribute value: whole numbers become INT, `{ float }` FLOAT, strings STRING, arrays INTS. */
export type Attribute = number | string | { readonly float: number } | readonly number[]

/** One node of a graph. */
export interface NodeRecord {
  readonly type: string
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, Attribute>>
}

/** Name, type and shape of a graph input or output. */
export interface ValueRecord {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: Shape
}

/** A constant: with its bytes inside the model, or (no bytes) to be handed over when the session is made. */
export interface InitializerRecord {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  readonly bytes?: Uint8Array
}

/** Everything that a model file holds. */
export interface ModelRecord {
  readonly name: string
  readonly nodes: readonly NodeRecord[]
  readonly inputs: readonly ValueRecord[]
  readonly outputs: readonly ValueRecord[]
  readonly initializers: readonly InitializerRecord[]
}

const text = new TextEncoder()

class Message {
  private readonly parts: Uint8Array[] = []
  private size = 0

  private push(bytes: Uint8Array): this {
    this.parts.push(bytes)
    this.size += bytes.length
    return this
  }

  private varint(value: number | bigint): this {
    let v = BigInt.asUintN(64, BigInt(value))
    const out: number[] = []
    while (v > 0x7fn) {
      out.push(Number(v & 0x7fn) | 0x80)
      v >>= 7n
    }
    out.push(Number(v))
    return this.push(Uint8Array.from(out))
  }

  int(field: number, value: number | bigint): this {
    return this.varint(field << 3).varint(value)
  }

  float(field: number, value: number): this {
    return this.varint((field << 3) | 5).push(new Uint8Array(Float32Array.of(value).buffer))
  }

  bytes(field: number, value: Uint8Array): this {
    return this.varint((field << 3) | 2)
      .varint(value.length)
      .push(value)
  }

  string(field: number, value: string): this {
    return this.bytes(field, text.encode(value))
  }

  message(field: number, value: Message): this {
    return this.bytes(field, value.finish())
  }

  finish(): Uint8Array {
    const out = new Uint8Array(this.size)
    let at = 0
    for (const part of this.parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }
}

function attribute(name: string, value: Attribute): Message {
  const m = new Message().string(1, name)
  if (typeof value === 'number') return m.int(3, value).int(20, 2)
  if (typeof value === 'string') return m.string(4, value).int(20, 3)
  if ('float' in value) return m.float(2, value.float).int(20, 1)
  for (const v of value) m.int(8, v)
  return m.int(20, 7)
}

function node(record: NodeRecord, index: number): Message {
  const m = new Message()
  for (const input of record.inputs) m.string(1, input)
  for (const output of record.outputs) m.string(2, output)
  m.string(3, `${record.type}_${index}`).string(4, record.type)
  for (const [name, value] of Object.entries(record.attributes)) m.message(5, attribute(name, value))
  return m.string(7, record.domain)
}

function value(record: ValueRecord): Message {
  const shape = new Message()
  for (const dim of record.shape) {
    shape.message(1, typeof dim === 'number' ? new Message().int(1, dim) : new Message().string(2, dim))
  }
  const tensor = new Message().int(1, dtypeNumber[record.dtype]).message(2, shape)
  return new Message().string(1, record.name).message(2, new Message().message(1, tensor))
}

function initializer(record: InitializerRecord, placeholder: string): Message {
  const m = new Message()
  for (const dim of record.shape) m.int(1, dim)
  m.int(2, dtypeNumber[record.dtype]).string(8, record.name)
  if (record.bytes) return m.bytes(9, record.bytes)
  // ONNX Runtime takes the value handed over by AddInitializer and never opens this file, but checks that it exists.
  const entry = (k: string, v: string) => new Message().string(1, k).string(2, v)
  return m.message(13, entry('location', placeholder)).int(14, 1)
}

/**
 * The bytes of an .onnx file (IR version 10, opset 21 and the com.microsoft operators).
 * @param placeholder file name that stands for the data of initializers without bytes
 */
export function encodeModel(model: ModelRecord, placeholder: string): Uint8Array {
  const graph = new Message()
  for (const [i, n] of model.nodes.entries()) graph.message(1, node(n, i))
  graph.string(2, model.name)
  for (const t of model.initializers) graph.message(5, initializer(t, placeholder))
  for (const v of model.inputs) graph.message(11, value(v))
  for (const v of model.outputs) graph.message(12, value(v))
  return new Message()
    .int(1, 10)
    .string(2, 'xcomposer')
    .message(7, graph)
    .message(8, new Message().string(1, '').int(2, 21))
    .message(8, new Message().string(1, 'com.microsoft').int(2, 1))
    .finish()
}
