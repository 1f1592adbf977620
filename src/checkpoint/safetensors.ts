/**
 * The safetensors format, read and written. A file is an 8-byte little-endian header length, a JSON header, then the bytes
 * of all tensors with no gap and no overlap. Everything a header claims is checked against the file before any tensor is
 * read, so a hostile file costs its own header and no more. It does not know what the tensors mean (SPEC section 3).
 */

import { AtomicFile, writeAll, writeFileAtomically } from '../common/atomic.js'
import { InputError } from '../common/errors.js'
import { describe, isRecord, parseJsonObject, statFile } from '../common/json.js'
import { type LongWork, pause } from '../common/long-work.js'
import { narrowBF16, narrowF16 } from './half.js'
import { BYTES, type Dtype, isDtype, readBytes, sizeOf, type TensorEntry } from './tensors.js'

export interface SafetensorsFile {
  readonly path: string
  /** In the order of their bytes. */
  readonly tensors: Map<string, TensorEntry>
  readonly metadata: ReadonlyMap<string, string>
}

/** A float32 array is stored in the float dtype asked for; any other view is stored byte for byte. */
export type TensorData = Float32Array | Uint8Array | ArrayBufferView

interface TensorHead {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
}

/** One tensor of a file to be written. */
export interface TensorToWrite extends TensorHead {
  /** A function is called when its turn comes, so that a large model need not be in memory at once. */
  readonly data: TensorData | (() => TensorData)
}

/** One tensor of a file whose data takes time to make. */
export interface TensorToStream extends TensorHead {
  readonly data: () => TensorData | Promise<TensorData>
}

const MAX_HEADER = 100_000_000
/** The engine maps tensors straight from the file; 64 bytes is the widest vector load. */
const ALIGNMENT = 64
/** Bytes of the widest element. */
const WIDEST = 8

/**
 * Opens and checks a file; no tensor is read. Throws InputError naming file, tensor, expected and got: header longer than
 * the file or 100 MB, repeated keys, unknown dtype, size != shape x dtype, overlaps, holes, metadata that is not text.
 */
export function openSafetensors(file: string): SafetensorsFile {
  const size = statFile(file)
  const headerLength = readHeaderLength(file, size)
  const header = parseJsonObject(readBytes(file, 8, headerLength), `${file}: header`)
  const dataStart = 8 + headerLength
  const metadata = new Map<string, string>()
  const entries: TensorEntry[] = []
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') readMetadata(file, value, metadata)
    else entries.push(readEntry(file, name, value, dataStart, size - dataStart))
  }
  entries.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength)
  checkContiguous(file, entries, dataStart, size)
  return { path: file, tensors: new Map(entries.map((entry) => [entry.name, entry])), metadata }
}

function readHeaderLength(file: string, size: number): number {
  if (size < 8) throw new InputError(`${file}: not a safetensors file: ${size} bytes, expected at least 8`)
  const bytes = readBytes(file, 0, 8)
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
  const limit = Math.min(MAX_HEADER, size - 8)
  if (length > BigInt(limit)) {
    throw new InputError(`${file}: header length ${length}, expected at most ${limit}; not a safetensors file, or cut short`)
  }
  return Number(length)
}

function readMetadata(file: string, value: unknown, into: Map<string, string>): void {
  if (!isRecord(value)) throw new InputError(`${file}: __metadata__: expected an object of strings, got ${describe(value)}`)
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw new InputError(`${file}: __metadata__.${key}: expected a string, got ${describe(text)}`)
    into.set(key, text)
  }
}

function readEntry(file: string, name: string, value: unknown, dataStart: number, dataLength: number): TensorEntry {
  const where = `${file}: tensor ${describe(name)}`
  if (!isRecord(value)) throw new InputError(`${where}: expected {dtype, shape, data_offsets}, got ${describe(value)}`)
  const { dtype, shape, data_offsets: offsets } = value
  if (!isDtype(dtype))
    throw new InputError(`${where}: dtype ${describe(dtype)}, expected one of ${Object.keys(BYTES).join(', ')}`)
  if (!isCounts(shape)) throw new InputError(`${where}: shape ${describe(shape)}, expected a list of whole numbers >= 0`)
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw new InputError(`${where}: data_offsets ${describe(offsets)}, expected two whole numbers [begin, end]`)
  }
  const [begin = 0, end = 0] = offsets
  if (begin > end || end > dataLength) {
    const help = begin > end ? '' : '; the file is cut short, get it again'
    throw new InputError(
      `${where}: data_offsets [${begin}, ${end}], expected begin <= end <= ${dataLength} (the data in the file)${help}`,
    )
  }
  const expected = sizeOf(where, dtype, shape)
  if (end - begin !== expected) {
    throw new InputError(`${where}: ${end - begin} bytes, expected ${expected} for ${dtype} [${shape.join(', ')}]`)
  }
  return { name, dtype, shape, file, offset: dataStart + begin, byteLength: expected }
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0)
}

function checkContiguous(file: string, entries: readonly TensorEntry[], dataStart: number, size: number): void {
  let at = dataStart
  let before = 'the header'
  for (const entry of entries) {
    if (entry.offset !== at) {
      const what =
        entry.offset < at ? `overlaps ${before} by ${at - entry.offset}` : `leaves a hole after ${before} of ${entry.offset - at}`
      throw new InputError(`${file}: tensor ${describe(entry.name)} ${what} bytes; expected tensors end to end`)
    }
    at += entry.byteLength
    before = describe(entry.name)
  }
  if (at !== size) throw new InputError(`${file}: ${size - at} bytes after the last tensor; expected the file to end with it`)
}

/**
 * Writes a file in one step (temporary name, fsync, rename). Tensors stand in the order given, except that those whose size is no
 * multiple of 8 come last, wider dtypes first, so that every tensor stays aligned to its element; the data starts at a multiple of 64.
 * `data` functions are called in the order of the file, once each. Throws InputError for a name given twice or data that does not fit.
 */
export function writeSafetensors(
  file: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const { ordered, head } = layout(file, [...tensors], metadata)
  writeFileAtomically(file, (fd) => {
    writeAll(fd, head)
    for (const tensor of ordered) {
      writeAll(fd, encode(file, tensor, typeof tensor.data === 'function' ? tensor.data() : tensor.data))
    }
  })
}

/** Writes a file as writeSafetensors does, one tensor after the other, each waited for. */
export async function streamSafetensors(
  file: string,
  tensors: Iterable<TensorToStream>,
  metadata: Readonly<Record<string, string>> = {},
  { onProgress, signal }: LongWork = {},
): Promise<void> {
  const { ordered, head, total } = layout(file, [...tensors], metadata)
  const made = new AtomicFile(file)
  try {
    writeAll(made.fd, head)
    let done = head.byteLength
    for (const tensor of ordered) {
      await pause(signal)
      const bytes = encode(file, tensor, await tensor.data())
      writeAll(made.fd, bytes)
      done += bytes.byteLength
      onProgress?.(done, total)
    }
    made.commit()
  } catch (error) {
    made.discard()
    throw error
  }
}

/** Tensors in the order of their bytes, and everything that stands before these. */
function layout<T extends TensorHead>(
  file: string,
  tensors: readonly T[],
  metadata: Readonly<Record<string, string>>,
): { ordered: T[]; head: Uint8Array; total: number } {
  const ordered = inAlignedOrder(file, tensors)
  const header = new Map<string, unknown>()
  if (Object.keys(metadata).length > 0) header.set('__metadata__', metadata)
  let end = 0
  for (const { name, dtype, shape } of ordered) {
    if (name === '__metadata__' || header.has(name)) throw new InputError(`${file}: tensor ${describe(name)}: the name is taken`)
    const begin = end
    end += sizeOf(`${file}: tensor ${describe(name)}`, dtype, shape)
    header.set(name, { dtype, shape, data_offsets: [begin, end] })
  }
  // fromEntries, unlike assignment, makes "__proto__" an ordinary key.
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)))
  const start = Math.ceil((8 + json.byteLength) / ALIGNMENT) * ALIGNMENT
  const head = new Uint8Array(start).fill(0x20)
  new DataView(head.buffer).setBigUint64(0, BigInt(start - 8), true)
  head.set(json, 8)
  return { ordered, head, total: start + end }
}

function inAlignedOrder<T extends TensorHead>(file: string, tensors: readonly T[]): T[] {
  const isEven = ({ name, dtype, shape }: T): boolean => sizeOf(`${file}: tensor ${describe(name)}`, dtype, shape) % WIDEST === 0
  const odd = tensors.filter((tensor) => !isEven(tensor)).sort((a, b) => BYTES[b.dtype] - BYTES[a.dtype])
  return [...tensors.filter(isEven), ...odd]
}

function encode(file: string, { name, dtype, shape }: TensorHead, data: TensorData): Uint8Array {
  let view: ArrayBufferView = data
  if (view instanceof Float32Array && dtype === 'F16') view = narrowF16(view)
  else if (view instanceof Float32Array && dtype === 'BF16') view = narrowBF16(view)
  const expected = sizeOf(file, dtype, shape)
  if (view.byteLength !== expected || (view instanceof Float32Array && dtype !== 'F32')) {
    throw new InputError(
      `${file}: tensor ${describe(name)}: ${view.constructor.name} of ${view.byteLength} bytes, expected ${expected} for ${dtype} [${shape.join(', ')}]`,
    )
  }
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}
