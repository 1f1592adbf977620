/** Image preprocessing against the goldens, and files that are not what they seem. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { goldenFolders } from '../../tests/support/golden-folders.js'
import { png, pngChunk } from '../../tests/support/png.js'
import { check } from '../verify/preprocess.js'
import { decodeImage, decodeRaster, imageSize } from './decode.js'
import { preprocess } from './preprocess.js'
import { resize } from './resize.js'
import { tileLayout, tilePixels } from './tiles.js'

const golden = join(import.meta.dirname, '../../tests/data/goldens/preprocess')
const images = join(golden, 'images')

it.each(goldenFolders('preprocess'))('decodes, resizes and normalises as the reference in %s', async (dir) => {
  const failed = []
  for await (const result of check.run(dir)) {
    if (!result.passed || result.detail === 'bits differ') failed.push(`${result.name}: ${result.largestError} ${result.detail}`)
  }
  expect(failed).toEqual([])
})

it.each(readdirSync(images))('the header of %s tells the size that decoding gives', async (file) => {
  const bytes = readFileSync(join(images, file))
  const { width, height } = await decodeImage(bytes)
  expect(await imageSize(bytes)).toEqual({ width, height })
})

describe('unusual images', () => {
  // 0x80ff would round up to 0x81: the high byte is Pillow's reading, and the one that cannot overflow.
  it.each([
    ['grey', 0, [0x80, 0xff, 0xff, 0xff], [0x80, 0x80, 0x80, 0xff, 0xff, 0xff]],
    ['grey and alpha', 4, [0x80, 0xff, 0xff, 0, 0xff, 0x34, 0xff, 0xff], [0x80, 0x80, 0x80, 0xff, 0xff, 0xff]],
    ['RGB', 2, [0x12, 0xff, 0x80, 0xff, 0, 0x99, 0xff, 0, 1, 0, 0, 0xff], [0x12, 0x80, 0, 0xff, 1, 0]],
    ['RGBA', 6, [0x12, 0xff, 0x80, 0xff, 0, 0x99, 0xff, 0, 0xff, 0, 1, 0, 0, 0xff, 0xff, 0xff], [0x12, 0x80, 0, 0xff, 1, 0]],
  ])('reads 16-bit %s by its high bytes', async (_, colour, samples, expected) => {
    const { data } = await decodeImage(png(2, 1, 16, colour, Uint8Array.from([0, ...samples])))
    expect([...data]).toEqual(expected)
  })

  it('converts CMYK to the colours that Pillow gives', async () => {
    // Patches of 8 x 8 and what Pillow made of them: tests/data/images/README.md.
    const expected = [
      [255, 255, 255],
      [0, 255, 255],
      [255, 0, 255],
      [255, 255, 0],
      [0, 0, 0],
      [127, 127, 127],
      [127, 255, 255],
      [49, 137, 181],
    ]
    const { width, height, data } = await decodeImage(join(golden, '../../pictures/cmyk.jpg'))
    expect([width, height]).toEqual([64, 8])
    expected.forEach((colour, patch) => {
      for (const [x, y] of [
        [0, 0],
        [3, 4],
        [7, 7],
      ] as const) {
        const at = (y * 64 + 8 * patch + x) * 3
        expect([...data.subarray(at, at + 3)], `patch ${patch} at ${x}, ${y}`).toEqual(colour)
      }
    })
    expect(await decodeRaster(join(golden, '../../pictures/cmyk.jpg'))).toMatchObject({ channels: 3, data })
  })

  it.each([
    [1, 1],
    [52_800, 44],
  ])('takes %i x %i pixels, squashed and in tiles', async (width, height) => {
    const rows = Buffer.alloc(height * (1 + Math.ceil(width / 8)))
    const image = await decodeImage(png(width, height, 1, 0, rows))
    expect([image.width, image.height, image.data.length]).toEqual([width, height, width * height * 3])
    const black = preprocess({ width: 1, height: 1, data: new Uint8Array(3) }, 28)
    expect(preprocess(image, 28)).toEqual(black)
    const { canvas, tilesWide, tilesHigh } = tilePixels(image, tileLayout(width, height, 25, 28))
    expect(canvas).toHaveLength(3 * tilesWide * tilesHigh * 28 * 28)
    expect(tilesWide * tilesHigh).toBe(25)
  })

  it('survives a garbage colour profile and a long comment', async () => {
    const profile = pngChunk('iCCP', Buffer.concat([Buffer.from('x\0\0'), deflateSync(Buffer.alloc(400, 7))]))
    const comment = pngChunk('zTXt', Buffer.concat([Buffer.from('c\0\0'), deflateSync(Buffer.alloc(100_000_000, 65))]))
    const { data } = await decodeImage(png(1, 1, 8, 2, Uint8Array.from([0, 9, 8, 7]), profile, comment))
    expect([...data]).toEqual([9, 8, 7])
  })
})

describe('refused', () => {
  const jpeg = readFileSync(join(images, 'jpeg444_256x192.jpg'))
  it.each<[string, Uint8Array, RegExp]>([
    [
      'SVG with an entity',
      Buffer.from('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///x">]><svg>&e;</svg>'),
      /SVG/,
    ],
    ['a JPEG cut in the middle', jpeg.subarray(0, 20_000), /cannot be decoded/],
    ['a JPEG of 5000 scans', Buffer.concat([jpeg, Buffer.from('ffda0000'.repeat(5000), 'hex')]), /more than 100 scans/],
    // Its rows are missing: whoever decodes before looking at the size says something else.
    [
      '30,000 x 30,000 pixels',
      png(30_000, 30_000, 1, 0, new Uint8Array(100)),
      /photo\.png: 30000x30000 pixels, at most 65500 a side and 100000000 in all are taken; make the picture smaller/,
    ],
    ['70,000 x 1 pixels', png(70_000, 1, 8, 0, new Uint8Array(70_001)), /70000x1 pixels, at most 65500 a side/],
  ])('%s', async (_, bytes, message) => {
    await expect(decodeImage(bytes, { name: 'photo.png' })).rejects.toThrow(message)
  })
})

it('resizes extreme shapes', () => {
  const line = { width: 52_800, height: 44, data: new Uint8Array(52_800 * 44 * 3).fill(77) }
  expect(new Set(resize(line, 490, 490).data)).toEqual(new Set([77]))
  expect(new Set(resize({ width: 1, height: 1, data: Uint8Array.from([5, 5, 5]) }, 490, 490).data)).toEqual(new Set([5]))
  expect(() => resize(line, 0, 10)).toThrow(/resize to 0x10/)
})
