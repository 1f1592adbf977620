import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { checkImage } from '../image/check.js'
import { decodeImage } from '../image/decode.js'
import { badImageLines, checkImages } from './check-images.js'

const dir = mkdtempSync(join(tmpdir(), 'check-images-'))
const path = (name: string) => join(dir, name)
afterAll(() => rmSync(dir, { recursive: true }))
let jpeg: Buffer
beforeAll(async () => {
  jpeg = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#357' } })
    .jpeg()
    .toBuffer()
  for (let i = 0; i < 20; i++) writeFileSync(path(`${i}.jpg`), jpeg)
  writeFileSync(path('cut.jpg'), jpeg.subarray(0, jpeg.length - 20))
  writeFileSync(path('page.png'), '<html></html>')
})

it('names every file that cannot be decoded once, with all places that name it, in their order', async () => {
  const files = [
    'page.png',
    '0.jpg',
    'cut.jpg',
    ...Array.from({ length: 20 }, (_, i) => `${i}.jpg`),
    'cut.jpg',
    'none.jpg',
    'cut.jpg',
  ]
  const seen: [number, number][] = []
  const bad = await checkImages(
    files.map((name, i) => ({ file: path(name), where: `data.json: record ${i}` })),
    { onProgress: (done, total) => seen.push([done, total]) },
  )
  expect(bad.map(({ file }) => file)).toEqual(['page.png', 'cut.jpg', 'none.jpg'].map(path))
  expect(bad[1]?.where).toEqual([2, 23, 25].map((i) => `data.json: record ${i}`))
  expect(seen.at(-1)).toEqual([23, 23])
  const lines = badImageLines(bad)
  expect(lines[1]).toMatch(/^data\.json: record 2 and 2 more: image .*cut\.jpg: cannot be decoded/)
  expect(lines[2]).toMatch(/none\.jpg: cannot be read \(ENOENT\)/)
  expect(badImageLines(bad, 1)).toEqual([lines[0], 'and 2 more images that cannot be decoded'])
})

it('finds a JPEG cut anywhere, and looks again when the file changes', async () => {
  for (const length of [0, 100, 300, 600, jpeg.length - 2]) {
    writeFileSync(path('changing.jpg'), jpeg.subarray(0, length))
    expect(await checkImage(path('changing.jpg')), `${length} of ${jpeg.length} bytes`).toMatch(/changing\.jpg/)
    expect(await checkImage(path('changing.jpg'))).toMatch(/changing\.jpg/)
  }
  writeFileSync(path('changing.jpg'), readFileSync(path('0.jpg')))
  expect(await checkImage(path('changing.jpg'))).toBeUndefined()
})

it('stops when told to', async () => {
  const stop = new AbortController()
  const uses = Array.from({ length: 20 }, (_, i) => ({ file: path(`${i}.jpg`), where: '' }))
  await expect(checkImages(uses, { signal: stop.signal, onProgress: () => stop.abort() })).rejects.toThrow(/abort/i)
})

it('gives each of several damaged files the reason that it has alone', async () => {
  const blank = sharp({ create: { width: 64, height: 64, channels: 3, background: '#a63' } }).composite([
    {
      input: await sharp({ text: { text: 'damage' } })
        .png()
        .toBuffer(),
    },
  ])
  const files: string[] = []
  for (const format of ['gif', 'png', 'webp', 'jpeg', 'tiff'] as const) {
    const whole = await blank.clone().toFormat(format).toBuffer()
    for (const share of [0.4, 0.7]) {
      const file = path(`${format}-${share}.${format}`)
      writeFileSync(file, whole.subarray(0, Math.floor(share * whole.length)))
      files.push(file)
    }
  }
  const bad = await checkImages(files.map((file) => ({ file, where: 'data.json: record 0' })))
  expect(bad.length).toBeGreaterThanOrEqual(4)
  for (const { file, problem } of bad) {
    const alone = await decodeImage(file, { wanted: [1, 1] }).catch((error: Error) => error.message)
    expect(problem).toBe(alone)
  }
})
