/** Image preprocessing against the goldens, and files that are not what they seem. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { check } from '../verify/preprocess.js'
import { decodeImage, decodeRgba } from './decode.js'
import { resize } from './resize.js'

const golden = join(import.meta.dirname, '../../tests/data/goldens/preprocess')
const shared = join(import.meta.dirname, '../../../shared/goldens/preprocess')
const images = join(golden, 'images')

it.each([golden, shared].filter(existsSync))('decodes, resizes and normalises as the reference in %s', async (dir) => {
  const failed = []
  for await (const result of check.run(dir)) {
    if (!result.passed || result.detail === 'bits differ') failed.push(`${result.name}: ${result.largestError} ${result.detail}`)
  }
  expect(failed).toEqual([])
})

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length)
  body.copy(out, 4)
  out.writeUInt32BE(crc32(body), body.length + 4)
  return out
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

function png(width: number, height: number, depth: number, colour: number, rows: Uint8Array, ...extra: Buffer[]): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([depth, colour, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    ...extra,
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', new Uint8Array()),
  ])
}

const solid = (channels: 3 | 4, background: { r: number; g: number; b: number; alpha?: number }) =>
  sharp({ create: { width: 8, height: 4, channels, background } })

describe('unusual images', () => {
  it('drops alpha without compositing, and keeps it on request', async () => {
    const bytes = await solid(4, { r: 200, g: 100, b: 50, alpha: 0 }).png().toBuffer()
    const { data } = await decodeImage(bytes)
    expect([...data.subarray(0, 3)]).toEqual([200, 100, 50])
    expect([...(await decodeRgba(bytes)).data.subarray(0, 4)]).toEqual([200, 100, 50, 0])
  })

  it('reads 16-bit grey with alpha by its high byte', async () => {
    const { data } = await decodeImage(png(1, 2, 16, 4, Uint8Array.from([0, 0x80, 0x12, 0, 0, 0, 0xff, 0x34, 0xff, 0xff])))
    expect([...data]).toEqual([0x80, 0x80, 0x80, 0xff, 0xff, 0xff])
  })

  it('converts CMYK', async () => {
    const bytes = await solid(3, { r: 255, g: 255, b: 255 }).toColourspace('cmyk').jpeg().toBuffer()
    const { data } = await decodeImage(bytes)
    expect(data).toHaveLength(8 * 4 * 3)
    expect(Math.min(...data)).toBeGreaterThan(240)
  })

  it('ignores EXIF orientation unless asked', async () => {
    const bytes = await solid(3, { r: 1, g: 2, b: 3 }).withMetadata({ orientation: 6 }).jpeg().toBuffer()
    expect(await decodeImage(bytes)).toMatchObject({ width: 8, height: 4 })
    expect(await decodeImage(bytes, { orient: true })).toMatchObject({ width: 4, height: 8 })
  })

  it('takes the first frame of an animation', async () => {
    const frames = await sharp(Buffer.concat([Buffer.alloc(48, 250), Buffer.alloc(48, 5)]), {
      raw: { width: 4, height: 8, channels: 3, pageHeight: 4 },
    })
      .gif()
      .toBuffer()
    const { width, height, data } = await decodeImage(frames)
    expect([width, height]).toEqual([4, 4])
    expect(data[0]).toBeGreaterThan(200)
  })

  it('survives a garbage colour profile and a long comment', async () => {
    const profile = chunk('iCCP', Buffer.concat([Buffer.from('x\0\0'), deflateSync(Buffer.alloc(400, 7))]))
    const comment = chunk('zTXt', Buffer.concat([Buffer.from('c\0\0'), deflateSync(Buffer.alloc(100_000_000, 65))]))
    const { data } = await decodeImage(png(1, 1, 8, 2, Uint8Array.from([0, 9, 8, 7]), profile, comment))
    expect([...data]).toEqual([9, 8, 7])
  })
})

describe('refused', () => {
  const jpeg = readFileSync(join(images, 'jpeg444_256x192.jpg'))
  it.each<[string, Uint8Array, RegExp]>([
    ['zero bytes', new Uint8Array(), /empty file/],
    ['HTML named .png', Buffer.from('<html><body>'), /a web page/],
    [
      'SVG with an entity',
      Buffer.from('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///x">]><svg>&e;</svg>'),
      /SVG/,
    ],
    ['TIFF', Buffer.from('II*\0\x08\0\0\0', 'latin1'), /TIFF/],
    ['VIPS', Buffer.from('\x08\xf2\xa6\xb6aaaa', 'latin1'), /VIPS/],
    ['a JPEG cut in the middle', jpeg.subarray(0, 20_000), /cannot be decoded/],
    ['a JPEG of 5000 scans', Buffer.concat([jpeg, Buffer.from('ffda0000'.repeat(5000), 'hex')]), /more than 100 scans/],
    ['30,000 x 30,000 pixels', png(30_000, 30_000, 1, 0, new Uint8Array(100)), /photo\.png: .*pixel/i],
    ['70,000 x 1 pixels', png(70_000, 1, 8, 0, new Uint8Array(70_001)), /70000x1 pixels, at most 65500 a side/],
  ])('%s', async (_, bytes, message) => {
    await expect(decodeImage(bytes, { name: 'photo.png' })).rejects.toThrow(message)
  })

  it('names a missing file and a directory', async () => {
    await expect(decodeImage(join(images, 'none.png'))).rejects.toThrow(/none\.png: cannot be read \(ENOENT\)/)
    await expect(decodeImage(images)).rejects.toThrow(/not a regular file|cannot be read/)
  })
})

it('resizes extreme shapes', () => {
  const line = { width: 52_800, height: 44, data: new Uint8Array(52_800 * 44 * 3).fill(77) }
  expect(new Set(resize(line, 490, 490).data)).toEqual(new Set([77]))
  expect(new Set(resize({ width: 1, height: 1, data: Uint8Array.from([5, 5, 5]) }, 490, 490).data)).toEqual(new Set([5]))
  expect(() => resize(line, 0, 10)).toThrow(/resize to 0x10/)
})
