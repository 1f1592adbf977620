/** Training data: pure batches, honest epochs and shares, right positions; and records that are not what they should be. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { decodeImage } from '../image/decode.js'
import { preprocess } from '../image/preprocess.js'
import { Tokenizer } from '../text/tokenizer.js'
import { type Batch, prefetch } from './batch.js'
import { type DataSource, openDataset } from './dataset.js'
import { createSampler, sourceShares } from './dataset-sampler.js'

const tokenizer = Tokenizer.load(join(import.meta.dirname, '../../tests/data/goldens/tokenizer/tokenizer.model'))
const base = { tokenizer, imageSize: 16, imageTokens: 4, batchSize: 4, maxLength: 64, seed: 5 }
let dir = ''
const path = (name: string) => join(dir, name)
const ask = (question: string, answer: string) => [
  { from: 'human', value: question },
  { from: 'gpt', value: answer },
]

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'dataset-'))
  mkdirSync(path('data'))
  for (let i = 0; i < 5; i++) {
    const background = { r: 40 * i, g: 100, b: 200, alpha: i / 4 }
    await sharp({ create: { width: 20, height: 12, channels: 4, background } })
      .png()
      .toFile(path(`data/${i}.png`))
  }
  const records = Array.from({ length: 13 }, (_, i) => ({
    id: i,
    image: [`${i % 5}.png`],
    conversations: ask(`<ImageHere>${'why '.repeat(i)}?`, `answer ${i}`),
  }))
  writeFileSync(path('data/sprites.json'), JSON.stringify(records))
  const texts = Array.from({ length: 7 }, (_, i) => JSON.stringify({ id: `t${i}`, text: `text ${i}` }))
  writeFileSync(path('data/texts.jsonl'), `\ufeff${texts.join('\r\n')}\r\n\n`)
})
afterAll(() => rmSync(dir, { recursive: true }))

const sources = (): DataSource[] => [{ file: path('data/sprites.json'), augment: 'sprite' }, { file: path('data/texts.jsonl') }]

describe('batches', () => {
  it('are the same for the same step, in any order and process', async () => {
    const a = await openDataset({ ...base, sources: sources() })
    const b = await openDataset({ ...base, sources: sources() })
    const forward: Batch[] = []
    for (let step = 0; step < 20; step++) forward.push(await a.batchAt(step))
    for (const step of [19, 3, 8, 0]) expect(await b.batchAt(step)).toEqual(forward[step])
    const other = await (await openDataset({ ...base, seed: 6, sources: sources() })).batchAt(0)
    expect(other).not.toEqual(forward[0])
  })

  it('place every image token, pad and label as they should', async () => {
    const data = await openDataset({ ...base, sources: sources() })
    for (let step = 0; step < 16; step++) {
      const batch = await data.batchAt(step)
      expect([batch.rows, batch.length % 8, batch.ids.length]).toEqual([4, 0, 4 * batch.length])
      expect(batch.imagePositions).toHaveLength(batch.images * 4)
      expect(batch.pixels).toHaveLength(batch.images * 3 * 16 * 16)
      expect([...batch.imagePositions]).toEqual([...batch.imagePositions].sort((x, y) => x - y))
      for (const at of batch.imagePositions) expect([batch.ids[at], batch.labels[at]]).toEqual([tokenizer.padId, -100])
      expect(batch.labels.filter((label) => label !== -100)).toHaveLength(batch.labelTokens)
      batch.labels.forEach((label, at) => {
        if (label !== -100) expect(label).toBe(batch.ids[at])
      })
      expect(Math.max(...batch.pixels.map(Math.abs), 0)).toBeLessThan(3)
      for (let row = 0; row < 4; row++) {
        const labels = batch.labels.subarray(row * batch.length, (row + 1) * batch.length).filter((label) => label !== -100)
        expect(tokenizer.decode(labels)).toMatch(/^(answer \d+\[UNUSED_TOKEN_145\]\n|text \d)$/)
      }
    }
  })

  it('see each record once per epoch', async () => {
    const data = await openDataset({ ...base, batchSize: 13, window: 2, sources: sources().slice(0, 1) })
    for (let epoch = 0; epoch < 4; epoch += 2) {
      // Two batches are one window, in which two epochs are dealt by length: each answer stands there exactly twice.
      const batches = [await data.batchAt(epoch), await data.batchAt(epoch + 1)]
      const answers = batches.flatMap((b) =>
        Array.from({ length: 13 }, (_, row) =>
          tokenizer.decode(b.labels.subarray(row * b.length, (row + 1) * b.length).filter((l) => l !== -100)),
        ),
      )
      const counts = new Map<string, number>()
      for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1)
      expect([...counts.values()]).toEqual(new Array(13).fill(2))
    }
  })

  it('without augmentation hold the picture on white, squashed', async () => {
    const file = path('data/one.json')
    writeFileSync(file, JSON.stringify([{ image: '4.png', conversations: ask('<ImageHere>?', 'x') }]))
    const batch = await (await openDataset({ ...base, batchSize: 1, sources: [{ file }] })).batchAt(3)
    expect(batch.pixels).toEqual(preprocess(await decodeImage(path('data/4.png')), 16))
  })

  it('come one ahead from prefetch', async () => {
    const asked: number[] = []
    const data = await openDataset({ ...base, sources: sources() })
    const batchAt = (step: number): Promise<Batch> => {
      asked.push(step)
      return data.batchAt(step)
    }
    const next = prefetch({ batchAt })
    for (const step of [0, 1, 2, 7]) expect(await next(step)).toEqual(await data.batchAt(step))
    expect(asked).toEqual([0, 1, 2, 3, 7, 8])
  })

  it('cut long answers at maxLength', async () => {
    const file = path('data/long.json')
    writeFileSync(file, JSON.stringify([{ conversations: ask('?', 'long '.repeat(20_000)) }]))
    expect((await (await openDataset({ ...base, sources: [{ file }] })).batchAt(0)).length).toBe(64)
  })
})

describe('sampling', () => {
  it('keeps the text share and the weights', () => {
    const shares = sourceShares([1, 3, 5], [false, false, true], 0.1)
    expect(shares).toEqual([0.225, expect.closeTo(0.675), expect.closeTo(0.1)])
    expect(sourceShares([1, 1], [false, true])).toEqual([0.5, 0.5])
    expect(sourceShares([1], [false], 0.1)).toBeUndefined()
    const counts = [0, 0, 0]
    const sampler = createSampler(1, [10, 10, 10], shares ?? [], 1000)
    for (let w = 0; w < 20; w++) for (const pick of sampler.picks(w)) counts[pick.source] = (counts[pick.source] ?? 0) + 1
    expect((counts[2] ?? 0) / 20_000).toBeCloseTo(0.1, 2)
    expect((counts[1] ?? 0) / 20_000).toBeCloseTo(0.675, 1)
  })

  it('never mixes epochs: every record once before any comes again', () => {
    const sampler = createSampler(3, [7, 11], [0.4, 0.6], 8)
    const seen = new Map<string, Set<number>>()
    for (let w = 0; w < 50; w++) {
      for (const { source, epoch, record } of sampler.picks(w)) {
        const key = `${source}/${epoch}`
        const set = seen.get(key) ?? new Set()
        expect(set.has(record)).toBe(false)
        seen.set(key, set.add(record))
      }
    }
    const sizes = [...seen].filter(([key]) => key === '0/0' || key === '1/0').map(([, set]) => set.size)
    expect(sizes.sort((a, b) => a - b)).toEqual([7, 11])
  })
})

describe('refuses, naming file and record', () => {
  const good = { image: '0.png', conversations: ask('<ImageHere>?', 'x') }
  const file = () => path('data/bad.json')
  const open = (more: Partial<Parameters<typeof openDataset>[0]> = {}) =>
    openDataset({ ...base, sources: [{ file: file() }], ...more })

  it('records that are not what they should be', async () => {
    writeFileSync(file(), JSON.stringify([good, { ...good, image: 'none.png' }]))
    await expect(open()).rejects.toThrow(`${file()}: record 1 (line 1): image "none.png" not found`)
  })

  it('images that cannot be decoded, before the first batch, and goes on without their records where told to', async () => {
    writeFileSync(path('data/corrupt.png'), 'no image')
    const bad = { ...good, image: ['0.png', 'corrupt.png'], conversations: ask('<ImageHere><ImageHere>?', 'y') }
    const records = [good, bad, { ...good, image: 'none.png' }, good]
    writeFileSync(file(), records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    await expect(open()).rejects.toThrow(/record 2 \(line 3\): image "none\.png" not found/)
    writeFileSync(file(), [good, bad].map((record) => `${JSON.stringify(record)}\n`).join(''))
    await expect(open()).rejects.toThrow(
      /1 image.*--skip-bad:\n {2}.*bad\.json: record 1 \(line 2\): image .*corrupt\.png: a text file/,
    )
    writeFileSync(file(), records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    const notices: string[] = []
    const data = await open({ skipBad: true, onNotice: (line) => notices.push(line) })
    expect(data.size).toBe(2)
    expect(notices).toEqual([
      expect.stringMatching(/^left out: .*record 2 \(line 3\): image "none\.png" not found/),
      expect.stringMatching(/^left out: .*record 1 \(line 2\): image .*corrupt\.png/),
      `${file()}: 2 of 4 records left out for their images`,
    ])
    expect((await data.batchAt(0)).images).toBe(4)
    writeFileSync(file(), JSON.stringify([bad]))
    await expect(open({ skipBad: true })).rejects.toThrow(/none of its 1 records can be used/)
  })

  it('images beyond maxLength, and wrong options', async () => {
    writeFileSync(file(), JSON.stringify([good]))
    await expect((await open({ imageTokens: 100 })).batchAt(0)).rejects.toThrow(/record 0 \(line 1\): its 1 image/)
    for (const wrong of [{ batchSize: 0 }, { textShare: 2 }, { textShare: 0.5 }, { seed: -1 }, { sources: [] }]) {
      await expect(open(wrong)).rejects.toThrow(InputError)
    }
  })
})
