/** Samples that are drawn: independent questions are what they are alone, batches are pure, labels reach the classifiers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { smallConfig, writeRandomModel } from '../../tests/support/random-model.js'
import { independentExample } from '../data/conversation.js'
import type { DrawnQuestion } from '../data/drawn.js'
import { liveHandles } from '../engine/index.js'
import { openModel, readParameter } from '../model/open-checkpoint.js'
import { Tokenizer } from '../text/tokenizer.js'
import { type Batch, collate } from './batch.js'
import { openDataset } from './dataset.js'
import { imageClasses } from './objectives/image-labels.js'
import { labelTerms } from './objectives/label-terms.js'
import { nextToken } from './objectives/next-token.js'
import { TrainingGraph } from './training-graph.js'

const tokenizer = Tokenizer.load(join(import.meta.dirname, '../../tests/data/goldens/tokenizer/tokenizer.model'))
const dir = mkdtempSync(join(tmpdir(), 'drawn-'))
afterAll(() => {
  rmSync(dir, { recursive: true })
  expect(liveHandles().byKind).toEqual({})
})

const questions: DrawnQuestion[] = [
  { question: 'What is this?', answer: 'a cat' },
  { question: '写的是什么？', answer: 'house', spelled: true },
  { question: 'How many?', answer: '3' },
]

describe('independent questions', () => {
  it('have the ids and labels that each has alone', () => {
    const options = { images: 1, imageTokens: 4 }
    const whole = independentExample(tokenizer, questions, options)
    questions.forEach((question, i) => {
      const alone = independentExample(tokenizer, [question], options)
      const at = whole.ids.map((_, k) => k).filter((k) => whole.branches?.[k] === 0 || whole.branches?.[k] === i + 1)
      for (const key of ['ids', 'labels', 'imageMask'] as const) expect(at.map((k) => whole[key][k])).toEqual(alone[key])
    })
  })

  it('are left out whole where they do not fit', () => {
    const [first] = questions as [DrawnQuestion]
    const alone = independentExample(tokenizer, [first], { images: 1, imageTokens: 4 })
    const cut = independentExample(tokenizer, questions, { images: 1, imageTokens: 4, maxLength: alone.ids.length + 3 })
    expect(cut).toEqual(alone)
  })

  it('spell an answer a character a token, which reads the same', () => {
    const { ids, labels } = independentExample(tokenizer, [{ question: 'Read.', answer: 'house 12', spelled: true }], {
      images: 0,
      imageTokens: 4,
    })
    const answer = ids.filter((_, i) => (labels[i] ?? -1) >= 0).slice(0, -3)
    expect(answer.map((id) => tokenizer.decode([id], { cleanUp: false }))).toEqual([...'house 12'])
    expect(tokenizer.decode(answer, { cleanUp: false })).toBe('house 12')
  })

  it('have together the loss and the gradients that they have one by one', async () => {
    const open = openModel(writeRandomModel({ ...smallConfig, vocab_size: tokenizer.size }))
    const initial = new Map(open.specs.map((s) => [s.name, readParameter(open, s.name)]))
    const graph = new TrainingGraph(open.config, open.specs, initial, () => true, nextToken(), { threads: 1 })
    const { imageSize = 0, patches: imageTokens = 0 } = open.config.vision ?? {}
    const pixels = Float32Array.from({ length: 3 * imageSize ** 2 }, (_, i) => Math.sin(i * 0.37))
    const options = { images: 1, imageTokens }
    const step = async (asked: readonly DrawnQuestion[]) => {
      const { labelTokens: _, ...batch } = collate([independentExample(tokenizer, asked, options)], pixels, 1, tokenizer.padId)
      const { loss, targets } = await graph.step(batch)
      return { loss, targets, gradients: graph.parameters.gradients.slice() }
    }
    try {
      const whole = await step(questions)
      const alone: Awaited<ReturnType<typeof step>>[] = []
      for (const question of questions) alone.push(await step([question]))
      const sum = (pick: (r: { loss: number; targets: number }) => number) => alone.reduce((total, r) => total + pick(r), 0)
      expect(whole.targets).toBe(sum((r) => r.targets))
      expect(Math.abs(whole.loss / sum((r) => r.loss) - 1)).toBeLessThan(1e-5)
      let [error, size] = [0, 0]
      whole.gradients.forEach((value, i) => {
        error += (value - alone.reduce((total, r) => total + (r.gradients[i] ?? 0), 0)) ** 2
        size += value ** 2
      })
      expect(Math.sqrt(error / size)).toBeLessThan(1e-4)
    } finally {
      graph.dispose()
      rmSync(open.directory.dir, { recursive: true })
    }
  })
})

const generator = `
const pixels = (n) => ({ width: 8, height: 8, channels: 3, data: new Uint8Array(192).fill(n % 256) })
export const generators = {
  shades: () => ({
    labels: { names: ['even', 'odd'], cells: ['a', 'b', 'c', 'd'] },
    draw: (seed, n) => ({
      image: pixels(n),
      questions: [{ question: 'Number?', answer: String(n) }, { question: 'Seed?', answer: String(seed) }],
      labels: { name: n % 2 ? 'odd' : 'even', cells: ['a', '', 'c', 'd'] },
    }),
  }),
  words: () => ({ draw: (seed, n) => ({ questions: [{ question: 'Say ' + n, answer: String(n) }] }) }),
  wrong: () => ({ draw: () => ({ questions: [] }) }),
  cells: () => ({ draw: () => ({ image: pixels(1), questions: [{ question: 'a', answer: 'b' }], labels: { cells: ['a'] } }) }),
  broken: () => ({ draw: () => { throw new Error('no ink left') } }),
}
`
const module = join(dir, 'generators.mjs')
writeFileSync(module, generator)

const base = { tokenizer, imageSize: 16, imageTokens: 4, batchSize: 4, maxLength: 64, seed: 5 }
const source = (name: string) => ({ file: module, generator: name })
const open = (...names: string[]) => openDataset({ ...base, sources: names.map(source), drawThreads: 2 })

/** The answers of a batch in the order of their samples. */
function answers({ labels, rows, length }: Batch): string[] {
  return Array.from({ length: rows }, (_, row) =>
    tokenizer.decode(
      labels.subarray(row * length, (row + 1) * length).filter((id) => id >= 0),
      { cleanUp: false },
    ),
  )
}

describe('drawn samples', () => {
  it('are each used once, in any order of steps and with any number of threads', async () => {
    const [one, two] = [await open('shades', 'words'), await openDataset({ ...base, sources: ['shades', 'words'].map(source) })]
    try {
      const forward: Batch[] = []
      for (let step = 0; step < 12; step++) forward.push(await one.batchAt(step))
      for (let step = 11; step >= 0; step--) expect(await two.batchAt(step)).toEqual(forward[step])
      const numbers = forward.flatMap(answers)
      expect(new Set(numbers).size).toBe(numbers.length)
      expect(one.labels).toEqual({ names: ['even', 'odd'], words: [], cells: ['', 'a', 'b', 'c', 'd'] })
    } finally {
      await one.dispose()
      await two.dispose()
    }
  })

  it('bring labels to the classifiers, each with its image and its share of the weight', async () => {
    const data = await open('shades', 'words')
    try {
      const batch = await data.batchAt(0)
      const { images, terms } = labelTerms(batch, imageClasses(data.labels), 2)
      expect(images).toBe(batch.images)
      const [names, cells] = [new Map(terms).get('name'), new Map(terms).get('cell')]
      const shades = answers(batch).filter((answer) => answer.includes('5'))
      expect(shades.length).toBeGreaterThanOrEqual(batch.images)
      expect(names?.places).toEqual(Array.from({ length: batch.images }, (_, i) => i))
      // The shade of the pixels says which number an image has.
      const each = batch.pixels.length / batch.images
      const shade = (image: number) => Math.round(((batch.pixels[image * each] ?? 0) * 0.26862954 + 0.48145466) * 255)
      expect(names?.ids).toEqual(names?.places.map((image) => shade(image) % 2))
      expect(cells?.ids.slice(0, 4)).toEqual([1, 0, 3, 4])
      expect(cells?.places.slice(0, 8)).toEqual([0, 0, 0, 1, 0, 2, 0, 3])
      expect(cells?.weights?.[0]).toBe(0.5)
    } finally {
      await data.dispose()
    }
  })

  it.each([
    ['nothing', /generators\.mjs: generator "nothing": has no generator "nothing", expected one of shades, words/],
    ['wrong', /wrong: sample 0: questions: expected at least one/],
    ['cells', /cells: sample 0: labels\.cells: 1, expected 4/],
    ['broken', /generator "broken": no ink left/],
  ])('%s', async (name, message) => {
    await expect(open(name)).rejects.toThrow(message)
  })
})
