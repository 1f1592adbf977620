/** A ZIP archive of a few files, stored as they are (images are compressed already). APPNOTE 6.3: local headers, directory, end record. */
import { crc32 } from 'node:zlib'

export interface ZipEntry {
  /** Path in the archive, with `/`. */
  readonly name: string
  readonly bytes: Uint8Array
}

/** Names are UTF-8. */
const FLAGS = 0x800
/** 1980-01-01: the same entries give the same archive. */
const DATE = 0x21

/** @throws RangeError beyond 65,535 entries or 4 GiB, which this form of archive cannot hold */
export function zip(entries: readonly ZipEntry[]): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { name, bytes } of entries) {
    const spelled = Buffer.from(name, 'utf8')
    // From "version needed" to "extra field length": the same in both headers.
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(FLAGS, 2)
    common.writeUInt16LE(DATE, 8)
    common.writeUInt32LE(crc32(bytes), 10)
    common.writeUInt32LE(bytes.length, 14)
    common.writeUInt32LE(bytes.length, 18)
    common.writeUInt16LE(spelled.length, 22)
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(offset, 10)
    parts.push(signature(0x04034b50), common, spelled, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    directory.push(signature(0x02014b50), Buffer.from([20, 0]), common, rest, spelled)
    offset += 30 + spelled.length + bytes.length
  }
  const listed = Buffer.concat(directory)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(entries.length, 4)
  end.writeUInt16LE(entries.length, 6)
  end.writeUInt32LE(listed.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...parts, listed, signature(0x06054b50), end])
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
