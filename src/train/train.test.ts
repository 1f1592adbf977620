/** A training run as a whole: it learns, and a run cut off at any step continues with bit-equal losses. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { afterAll, describe, expect, it } from 'vitest'
import { smallConfig } from '../../tests/support/random-model.js'
import { liveHandles } from '../engine/index.js'
import { openModel, readParameter } from '../model/open-checkpoint.js'
import { readImageClasses } from './image-labels.js'
import { loadRecipe } from './recipe.js'
import { train } from './train.js'

const tokenizer = fileURLToPath(new URL('../../models/nano/tokenizer.model', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'xcomposer-train-'))

function recipe(name: string, steps: number, extra = ''): string {
  const dir = join(work, name)
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...smallConfig, vocab_size: 6000 }))
  const records = Array.from({ length: 40 }, (_, i) => ({ id: `${i}`, text: `The number after ${i % 10} is ${(i % 10) + 1}.` }))
  writeFileSync(join(dir, 'text.jsonl'), records.map((r) => `${JSON.stringify(r)}\n`).join(''))
  const file = join(dir, 'recipe.yaml')
  writeFileSync(
    file,
    `stage: language\ninit: { config: config.json }\ntokenizer: ${tokenizer}\nout: out\ndata:\n  - file: text.jsonl\n` +
      `batch_size: 8\nmax_length: 64\nsteps: ${steps}\nlearning_rate: 3.0e-3\ncheckpoint_every: 2\nseed: 5\nthreads: 1\n${extra}`,
  )
  return file
}

const losses = (name: string) =>
  readFileSync(join(work, name, 'out', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { step: number; loss: number })

describe('a training run', () => {
  it('learns, and writes a model directory that opens', async () => {
    const result = await train(loadRecipe(recipe('learns', 30)), { resume: true })
    const seen = losses('learns')
    expect(seen).toHaveLength(30)
    expect(result.finalLoss).toBeLessThan((seen[0]?.loss ?? 0) * 0.7)
    expect(openModel(result.out).specs.length).toBeGreaterThan(20)
  })

  it.each(['', 'accumulate: 2\n'])(
    'cut off between checkpoints and continued, it repeats the uninterrupted losses to the bit (%j)',
    async (extra) => {
      const id = extra ? 'accumulated' : 'plain'
      await train(loadRecipe(recipe(`${id}-whole`, 7, extra)), { resume: true })
      const cut = loadRecipe(recipe(`${id}-cut`, 7, extra))
      const stop = new AbortController()
      const watched = {
        resume: true,
        signal: stop.signal,
        onProgress: ({ step }: { step: number }) => {
          if (step === 5) stop.abort(new Error('cut off'))
        },
      }
      await expect(train(cut, watched)).rejects.toThrow('cut off')
      const notices: string[] = []
      await train(cut, { resume: true, onNotice: (line) => notices.push(line) })
      expect(notices).toEqual(['continuing after step 4'])
      expect(losses(`${id}-cut`).map(({ step, loss }) => ({ step, loss }))).toEqual(
        losses(`${id}-whole`).map(({ step, loss }) => ({ step, loss })),
      )
    },
  )

  it('gives the same losses on any number of threads', async () => {
    await train(loadRecipe(recipe('one', 6)), { resume: true })
    for (const threads of [2, 3, 16]) {
      const file = recipe(`on-${threads}`, 6)
      writeFileSync(file, readFileSync(file, 'utf8').replace('threads: 1', `threads: ${threads}`))
      await train(loadRecipe(file), { resume: true })
      for (const [i, { loss }] of losses(`on-${threads}`).entries()) expect(loss).toBeCloseTo(losses('one')[i]?.loss ?? 0, 3)
    }
    expect(liveHandles().byKind).toEqual({})
  })

  it('refuses the state of a recipe with other values', async () => {
    await train(loadRecipe(recipe('changed', 2)), { resume: true })
    const other = loadRecipe(recipe('changed', 3))
    await expect(train(other, { resume: true })).rejects.toThrow('belongs to another version of the recipe; use --restart')
    await expect(train(other, { resume: false })).resolves.toMatchObject({ steps: 3 })
  })
})

describe('the vision warm-up', () => {
  it('learns to tell pictures apart by the names in the data', async () => {
    const file = recipe('names', 25)
    const dir = join(work, 'names')
    const lines: string[] = []
    for (const [i, [name, background]] of Object.entries({ red: '#f00', blue: '#00f', green: '#0c0' }).entries()) {
      await sharp({ create: { width: 16, height: 16, channels: 3, background } })
        .png()
        .toFile(join(dir, `${i}.png`))
      const conversations = [
        { from: 'user', value: '<ImageHere>What is this?' },
        { from: 'assistant', value: name },
        { from: 'user', value: 'Give keywords.' },
        { from: 'assistant', value: name === 'red' ? 'warm, colour' : 'cold, colour' },
      ]
      lines.push(JSON.stringify({ id: name, image: [`${i}.png`], conversations }))
    }
    writeFileSync(join(dir, 'text.jsonl'), lines.join('\n'))
    writeFileSync(file, readFileSync(file, 'utf8').replace('stage: language', 'stage: vision'))
    const classes = readImageClasses([join(dir, 'text.jsonl')])
    expect([...classes.names.keys()]).toEqual(['blue', 'green', 'red'])
    expect([...classes.words.keys()]).toEqual(['cold', 'colour', 'warm'])
    const { finalLoss, out } = await train(loadRecipe(file), { resume: true })
    expect(losses('names')[0]?.loss).toBeGreaterThan(0.5)
    // Two words for each image: their part of the loss cannot fall below ln 2.
    expect(finalLoss).toBeLessThan(Math.LN2 + 0.2)
    expect(openModel(out).specs.some((s) => s.name.includes('names_head'))).toBe(false)
    // The same in parts side by side: 3 images a batch on 2 threads are parts of 1 and 2.
    const whole = losses('names')
    writeFileSync(file, readFileSync(file, 'utf8').replace('threads: 1', 'threads: 2'))
    await train(loadRecipe(file), { resume: false })
    for (const [i, { loss }] of losses('names').entries()) expect(loss).toBeCloseTo(whole[i]?.loss ?? 0, 3)
    // And its projector learns where the words of the names are.
    const align = readFileSync(file, 'utf8')
      .replace('stage: vision\ninit: { config: config.json }', 'stage: align\nfrom: out\nvision_from: out')
      .replace('out: out\n', 'out: aligned\n')
      .replace('steps: 25', 'steps: 60')
    writeFileSync(join(dir, 'align.yaml'), align)
    const aligned = await train(loadRecipe(join(dir, 'align.yaml')), { resume: true })
    expect(aligned.finalLoss).toBeLessThan(0.3)
    const [before, after] = [openModel(out), openModel(aligned.out)]
    for (const { name, part } of after.specs)
      expect(Buffer.from(readParameter(after, name).buffer).equals(Buffer.from(readParameter(before, name).buffer)), name).toBe(
        part !== 'projector' && part !== 'vision',
      )
  })
})

afterAll(() => {
  rmSync(work, { recursive: true, force: true })
  expect(liveHandles().byKind).toEqual({})
})
