// A minimal PNG writer for opaque 8-bit RGB pictures: synchronous and small, since the recipe writes tens of thousands.
import { crc32, deflateSync } from 'node:zlib'

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length, 0)
  body.copy(out, 4)
  out.writeUInt32BE(crc32(body), body.length + 4)
  return out
}

/** Encodes RGBA or RGB rows (alpha ignored) as an RGB PNG. @throws RangeError when the pixel count does not fit. */
export function encodePng(bytes: Uint8ClampedArray | Uint8Array, width: number, height: number, channels: 3 | 4 = 4): Buffer {
  const expected = width * height * channels
  if (bytes.length !== expected)
    throw new RangeError(`expected ${expected} ${channels === 4 ? 'RGBA' : 'RGB'} bytes, got ${bytes.length}`)
  const raw = Buffer.alloc(height * (1 + width * 3))
  let at = 0
  for (let y = 0; y < height; y++) {
    raw[at++] = 0
    for (let x = 0; x < width; x++) {
      const p = (y * width + x) * channels
      raw[at++] = bytes[p]!
      raw[at++] = bytes[p + 1]!
      raw[at++] = bytes[p + 2]!
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(raw, { level: 6 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}
