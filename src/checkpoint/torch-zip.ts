/**
 * The zip archive that torch.save writes: entries stored without compression, so that each is a range of the file. Reads the
 * central directory only (zip64 included) and checks every range before it is believed. Knows nothing of pickles.
 */
import { InputError } from '../common/errors.js'
import { describe, statFile } from '../common/json.js'
import { readBytes } from './tensors.js'

/** One stored entry: bytes [offset, offset + size) of the archive. */
export interface ZipEntry {
  readonly offset: number
  readonly size: number
}

const END = 0x06054b50
const END64 = 0x06064b50
const LOCATOR64 = 0x07064b50
const CENTRAL = 0x02014b50
const LOCAL = 0x04034b50
const END_BYTES = 22
const MAX_COMMENT = 0xffff
const MAX_DIRECTORY = 100_000_000
/** What a 32-bit (16-bit) field holds when the value stands in the zip64 extra field. */
const ELSEWHERE = 0xffffffff
const ELSEWHERE_16 = 0xffff

/** Whether the file starts like a zip archive. */
export function isZip(file: string): boolean {
  return statFile(file) >= 4 && view(readBytes(file, 0, 4)).getUint32(0, true) === LOCAL
}

/**
 * Entries by name.
 * @throws InputError naming the file: no zip, cut short, compressed or encrypted entries, ranges outside the file or over one
 * another, a name given twice
 */
export function openStoredZip(file: string): Map<string, ZipEntry> {
  const size = statFile(file)
  const { start, length, count } = directoryRange(file, size)
  const bytes = readBytes(file, start, length)
  const data = view(bytes)
  const entries = new Map<string, ZipEntry>()
  let at = 0
  for (let i = 0; i < count; i++) {
    if (at + 46 > length || data.getUint32(at, true) !== CENTRAL) {
      throw new InputError(`${file}: zip entry ${i + 1} of ${count}: no central directory header at byte ${start + at}`)
    }
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((o) => data.getUint16(at + o, true)) as [
      number,
      number,
      number,
    ]
    const next = at + 46 + nameLength + extraLength + commentLength
    if (next > length) throw new InputError(`${file}: zip entry ${i + 1} of ${count} runs past the central directory`)
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength))
    const where = `${file}: zip entry ${describe(name)}`
    const extra = bytes.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength)
    const [stored, plain, header] = sizes(
      where,
      extra,
      [20, 24, 42].map((o) => data.getUint32(at + o, true)),
    )
    if (data.getUint16(at + 8, true) & 1) throw new InputError(`${where}: is encrypted, expected plain entries`)
    if (data.getUint16(at + 10, true) !== 0 || stored !== plain) {
      throw new InputError(`${where}: is compressed, expected stored entries as torch.save writes them`)
    }
    if (entries.has(name)) throw new InputError(`${where}: stands twice in the archive`)
    entries.set(name, { offset: dataOffset(file, where, header, stored, start), size: stored })
    at = next
  }
  checkApart(file, entries)
  return entries
}

/** Where the central directory lies and how many entries it says it has. */
function directoryRange(file: string, size: number): { start: number; length: number; count: number } {
  const tailLength = Math.min(size, END_BYTES + MAX_COMMENT)
  const tailStart = size - tailLength
  const tail = view(readBytes(file, tailStart, tailLength))
  let at = tailLength - END_BYTES
  while (at >= 0 && !(tail.getUint32(at, true) === END && at + END_BYTES + tail.getUint16(at + 20, true) === tailLength)) at--
  if (at < 0) throw new InputError(`${file}: no end of a zip archive; not a torch file, or cut short`)
  const end = tailStart + at
  const short = {
    count: tail.getUint16(at + 10, true),
    length: tail.getUint32(at + 12, true),
    start: tail.getUint32(at + 16, true),
  }
  const long = short.count === ELSEWHERE_16 || short.length === ELSEWHERE || short.start === ELSEWHERE
  const { range, limit } = long || hasLocator(file, end) ? zip64Range(file, end) : { range: short, limit: end }
  if (range.length > MAX_DIRECTORY || range.start + range.length > limit) {
    throw new InputError(
      `${file}: central directory of ${range.length} bytes at ${range.start}, expected it to end before byte ${limit} and at most ${MAX_DIRECTORY} bytes`,
    )
  }
  return range
}

function hasLocator(file: string, end: number): boolean {
  return end >= 20 && view(readBytes(file, end - 20, 4)).getUint32(0, true) === LOCATOR64
}

function zip64Range(file: string, end: number) {
  if (!hasLocator(file, end)) throw new InputError(`${file}: zip64 archive without its locator; cut short, or not a torch file`)
  const locator = end - 20
  const record = whole(file, view(readBytes(file, locator + 8, 8)).getBigUint64(0, true), locator)
  if (record + 56 > locator)
    throw new InputError(`${file}: zip64 end record at byte ${record}, expected it before its locator at ${locator}`)
  const data = view(readBytes(file, record, 56))
  if (data.getUint32(0, true) !== END64) throw new InputError(`${file}: no zip64 end record at byte ${record}`)
  const [count, length, start] = [32, 40, 48].map((o) => whole(file, data.getBigUint64(o, true), record)) as [
    number,
    number,
    number,
  ]
  return { range: { count, length, start }, limit: record }
}

/** A 64-bit field as a number no larger than what the file can hold. */
function whole(where: string, value: bigint, limit: number): number {
  if (value > BigInt(limit)) throw new InputError(`${where}: zip64 field ${value}, expected at most ${limit} (this file's size)`)
  return Number(value)
}

/** Compressed size, plain size and header offset, from the zip64 extra field where the 32-bit ones say so. */
function sizes(where: string, extra: Uint8Array, short: readonly number[]): [number, number, number] {
  const [stored, plain, header] = short as [number, number, number]
  if (!short.includes(ELSEWHERE)) return [stored, plain, header]
  const data = view(extra)
  for (let at = 0; at + 4 <= extra.length; ) {
    const [id, length] = [data.getUint16(at, true), data.getUint16(at + 2, true)]
    const end = Math.min(extra.length, at + 4 + length)
    if (id === 1) {
      let field = at + 4
      // In this order, and only those that the short fields leave out.
      const take = (value: number): number => {
        if (value !== ELSEWHERE) return value
        if (field + 8 > end) throw new InputError(`${where}: its zip64 sizes are cut short`)
        field += 8
        return whole(where, data.getBigUint64(field - 8, true), Number.MAX_SAFE_INTEGER)
      }
      const plainSize = take(plain)
      const storedSize = take(stored)
      return [storedSize, plainSize, take(header)]
    }
    at += 4 + length
  }
  throw new InputError(`${where}: zip64 sizes are missing`)
}

/** The first byte behind the entry's local header. */
function dataOffset(file: string, where: string, header: number, size: number, directory: number): number {
  if (header + 30 > directory)
    throw new InputError(`${where}: header at byte ${header}, expected it before the directory at ${directory}`)
  const local = view(readBytes(file, header, 30))
  if (local.getUint32(0, true) !== LOCAL) throw new InputError(`${where}: no local header at byte ${header}`)
  const offset = header + 30 + local.getUint16(26, true) + local.getUint16(28, true)
  if (offset + size > directory) {
    throw new InputError(`${where}: ${size} bytes at ${offset}, expected them to end before the directory at ${directory}`)
  }
  return offset
}

function checkApart(file: string, entries: ReadonlyMap<string, ZipEntry>): void {
  const ordered = [...entries].sort(([, a], [, b]) => a.offset - b.offset)
  ordered.forEach(([name, { offset }], i) => {
    const [before, previous] = ordered[i - 1] ?? []
    if (previous && previous.offset + previous.size > offset) {
      throw new InputError(`${file}: zip entries ${describe(before)} and ${describe(name)} overlap`)
    }
  })
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
