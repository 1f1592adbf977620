import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { png } from '../../../tests/support/png.js'
import type { Prediction } from '../evaluate.js'
import { bootstrap } from '../metrics/bootstrap.js'
import { pope } from './pope.js'
import { benchmarkNamed, benchmarks, metricsTable } from './table.js'

const work = mkdtempSync(join(tmpdir(), 'xcomposer-benchmarks-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

describe('POPE', () => {
  const goldens = join(import.meta.dirname, '../../../tests/data/goldens/scorers/pope')

  it.each(readdirSync(goldens))('gives the official F1, accuracy and share of yes of %s', (name) => {
    const { records, expected } = JSON.parse(readFileSync(join(goldens, name), 'utf8')) as {
      records: { label: string; prediction: string }[]
      expected: { official: { f1: number; accuracy: number; yes_ratio: number } }
    }
    const id = (i: number) => `random-${i}`
    const questions = records.map(({ label }, i) => ({
      ...{ id: id(i), task: 'random', images: [], question: '?', answers: [label] },
      scorer: 'reference-yes-no' as const,
    }))
    const predictions = records.map(
      ({ prediction }, i): Prediction => ({ id: id(i), task: 'random', reply: prediction, correct: false }),
    )
    const { overall } = pope.score(predictions, questions)
    expect(overall?.F1?.value).toBeCloseTo(expected.official.f1, 9)
    expect(overall?.accuracy?.value).toBeCloseTo(expected.official.accuracy, 9)
    expect(overall?.['says yes']?.value).toBeCloseTo(expected.official.yes_ratio, 9)
    for (const { value, low, high } of Object.values(overall ?? {})) {
      expect(low).toBeLessThanOrEqual(value)
      expect(high).toBeGreaterThanOrEqual(value)
    }
  })

  it('reads the three splits of a folder, its images in another, and names every mistake', () => {
    const [dir, images] = [join(work, 'pope'), join(work, 'val2014')]
    for (const folder of [dir, images]) mkdirSync(folder)
    writeFileSync(join(images, 'a.png'), png(1, 1, 8, 2, Uint8Array.of(0, 255, 0, 0)))
    const line = (label: string, image = 'a.png') =>
      `${JSON.stringify({ question_id: 1, image, text: 'Is there a dog in the image?', label })}\n`
    for (const split of ['adversarial', 'popular', 'random']) writeFileSync(join(dir, `coco_pope_${split}.json`), line('no'))
    const questions = pope.load(dir, { imageFolder: images })
    expect(questions.map(({ id }) => id)).toEqual(['adversarial-1', 'popular-1', 'random-1'])
    expect(questions[0]).toMatchObject({
      task: 'adversarial',
      question: 'Answer the question using a single word or phrase.Is there a dog in the image?',
      answers: ['no'],
    })
    writeFileSync(join(dir, 'coco_pope_random.json'), line('maybe') + line('yes', 'b.png'))
    expect(() => pope.load(dir, { imageFolder: images })).toThrow(/coco_pope_random\.json: .*line 1.*label.*\n.*line 2.*b\.png/s)
    expect(() => pope.load(join(work, 'none'), {})).toThrow(/no such file or folder/)
  })
})

describe('the table of benchmarks', () => {
  it('has each name once, and refuses others', () => {
    expect(new Set(benchmarks.map(({ name }) => name)).size).toBe(benchmarks.length)
    expect(benchmarkNamed('pope')).toBe(pope)
    expect(() => benchmarkNamed('poppe')).toThrow('--benchmark: expected questions, pope, got "poppe"')
  })

  it('prints a line for each measure', () => {
    expect(metricsTable({ random: { F1: { value: 0.5, low: 0.25, high: 0.75, n: 10 } } })).toBe(
      'group   metric     %  95 % interval   n\nrandom  F1      50.0      25.0-75.0  10\n',
    )
  })
})

describe('the bootstrap interval', () => {
  it('agrees with the normal interval of a share, and is the same every time', () => {
    const items = Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? 1 : 0))
    const mean = (of: readonly number[]) => of.reduce((a, b) => a + b, 0) / of.length
    const interval = bootstrap(items, mean)
    const half = 1.96 * Math.sqrt((0.25 * 0.75) / 400)
    expect(interval.low).toBeCloseTo(0.25 - half, 1.7)
    expect(interval.high).toBeCloseTo(0.25 + half, 1.7)
    expect(bootstrap(items, mean)).toEqual(interval)
  })
})
