/**
 * A tensor on disk, whatever file holds it, and how its values are read. Knows dtypes and bytes, not file formats.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { InputError } from '../common/errors.js'
import { describe } from '../common/json.js'
import { widenBF16, widenF16 } from './half.js'

/** Bytes of one element. */
export const BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const

export type Dtype = keyof typeof BYTES

/** Where one tensor lies: `offset` counts from the start of the file. */
export interface TensorEntry {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  readonly file: string
  readonly offset: number
  /** Of the values: elements x bytes each, whatever lies between them. */
  readonly byteLength: number
  /** Elements from one index to the next of each axis, where that is not row-major order end to end (a torch view). */
  readonly strides?: readonly number[]
  /** Rows of other tensors that it consists of, in order; then `offset` means nothing. */
  readonly parts?: readonly RowRange[]
}

/** Some rows (of the first axis) of a tensor. */
export interface RowRange {
  readonly entry: TensorEntry
  readonly first: number
  readonly count: number
}

const READ_BYTES = 1 << 24
/** What `readTensor` reads. */
const FLOATS: readonly Dtype[] = ['F32', 'F16', 'BF16']

export function isDtype(value: unknown): value is Dtype {
  return typeof value === 'string' && Object.hasOwn(BYTES, value)
}

/** @throws InputError for a tensor that `readTensor` cannot read */
export function checkFloat({ file, name, dtype }: TensorEntry): void {
  if (!FLOATS.includes(dtype))
    throw new InputError(`${file}: tensor ${describe(name)}: dtype ${dtype}, expected F32, F16 or BF16; convert the model`)
}

/** Bytes of a tensor. Throws InputError once the product leaves the integers a number can hold. */
export function sizeOf(where: string, dtype: Dtype, shape: readonly number[]): number {
  let product: number = BYTES[dtype]
  for (const n of shape) {
    product *= n
    if (product > Number.MAX_SAFE_INTEGER) {
      throw new InputError(`${where}: shape [${shape.join(', ')}] of ${dtype} is larger than 2^53 bytes`)
    }
  }
  return product
}

/** The tensor's values as float32, in row-major order. F32, F16 and BF16 only, exactly; InputError for every other dtype. */
export function readTensor(entry: TensorEntry): Float32Array {
  if (entry.parts) return readRows(entry, 0, entry.shape[0] ?? 0)
  if (entry.strides) return gather(readTensor(span(entry)), entry.shape, entry.strides)
  const { dtype, byteLength } = entry
  if (dtype === 'F32') {
    const out = new Float32Array(byteLength / 4)
    readInto(entry.file, entry.offset, new Uint8Array(out.buffer))
    return out
  }
  checkFloat(entry)
  const widen = dtype === 'F16' ? widenF16 : widenBF16
  const out = new Float32Array(byteLength / 2)
  const part = new Uint16Array(Math.min(out.length, READ_BYTES / 2))
  for (let at = 0; at < out.length; at += part.length) {
    const halves = part.subarray(0, Math.min(part.length, out.length - at))
    readInto(entry.file, entry.offset + at * 2, new Uint8Array(halves.buffer, 0, halves.byteLength))
    widen(halves, out, at)
  }
  return out
}

/** Rows `first` to `first + count` of a matrix (or of any tensor's first axis) as float32, so that a large one need not be in memory. */
export function readRows(entry: TensorEntry, first: number, count: number): Float32Array {
  const row = entry.shape.slice(1).reduce((a, b) => a * b, 1)
  if (entry.parts) return gatherParts(entry.parts, first, count, row)
  if (entry.strides) return readTensor(entry).subarray(first * row, (first + count) * row)
  const bytes = row * BYTES[entry.dtype]
  const shape = [count, ...entry.shape.slice(1)]
  return readTensor({ ...entry, shape, offset: entry.offset + first * bytes, byteLength: count * bytes })
}

/**
 * A tensor that consists of rows of others, whose rows are equally long; nothing is read. It names the first of their files.
 * @throws InputError where one of them holds no floats
 */
export function composeRows(name: string, parts: readonly RowRange[]): TensorEntry {
  const [{ entry } = { entry: undefined }] = parts
  if (!entry) throw new RangeError(`${name}: no parts`)
  for (const part of parts) checkFloat(part.entry)
  const shape = [parts.reduce((sum, { count }) => sum + count, 0), ...entry.shape.slice(1)]
  return { name, dtype: entry.dtype, shape, file: entry.file, offset: 0, byteLength: sizeOf(name, entry.dtype, shape), parts }
}

/** Rows `first` to `first + count` of what `parts` make up, each of `row` values. */
function gatherParts(parts: readonly RowRange[], first: number, count: number, row: number): Float32Array {
  const out = new Float32Array(count * row)
  let start = 0
  for (const part of parts) {
    const from = Math.max(first, start)
    const to = Math.min(first + count, start + part.count)
    if (from < to) out.set(readRows(part.entry, part.first + from - start, to - from), (from - first) * row)
    start += part.count
  }
  return out
}

/** Everything from the first to the last element of a strided tensor, as one row. */
function span(entry: TensorEntry): TensorEntry {
  const { strides: steps = [], ...rest } = entry
  const last = entry.byteLength === 0 ? 0 : 1 + entry.shape.reduce((sum, n, axis) => sum + (n - 1) * (steps[axis] as number), 0)
  return { ...rest, shape: [last], byteLength: last * BYTES[entry.dtype] }
}

function gather(values: Float32Array, shape: readonly number[], strides: readonly number[]): Float32Array {
  const out = new Float32Array(shape.reduce((a, b) => a * b, 1))
  const index = shape.map(() => 0)
  for (let to = 0, from = 0; to < out.length; to++) {
    out[to] = values[from] as number
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const step = strides[axis] as number
      index[axis] = (index[axis] as number) + 1
      from += step
      if ((index[axis] as number) < (shape[axis] as number)) break
      from -= (index[axis] as number) * step
      index[axis] = 0
    }
  }
  return out
}

/**
 * The tensor's bytes as they are stored (little-endian); the buffer starts at its byte 0, so any typed view fits. InputError
 * for a tensor whose values do not stand end to end.
 */
export function readRaw(entry: TensorEntry): Uint8Array {
  if (entry.strides || entry.parts)
    throw new InputError(`${entry.file}: tensor ${describe(entry.name)}: a view of other tensors has no bytes of its own`)
  return readBytes(entry.file, entry.offset, entry.byteLength)
}

/** Bytes of a file. @throws InputError when it is shorter */
export function readBytes(file: string, offset: number, length: number): Uint8Array {
  const out = new Uint8Array(length)
  readInto(file, offset, out)
  return out
}

function readInto(file: string, offset: number, to: Uint8Array): void {
  const fd = openSync(file, 'r')
  try {
    for (let at = 0; at < to.byteLength; ) {
      const got = readSync(fd, to, at, Math.min(1 << 30, to.byteLength - at), offset + at)
      if (got === 0)
        throw new InputError(`${file}: ended at byte ${offset + at}, expected ${offset + to.byteLength}; it changed while read`)
      at += got
    }
  } finally {
    closeSync(fd)
  }
}
