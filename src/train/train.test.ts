/** A training run as a whole: it learns, and a run cut off at any step continues with bit-equal losses. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { afterAll, describe, expect, it } from 'vitest'
import { smallConfig } from '../../tests/support/random-model.js'
import { openSafetensors } from '../checkpoint/safetensors.js'
import { readRaw } from '../checkpoint/tensors.js'
import { readRecords } from '../data/training-records.js'
import { liveHandles } from '../engine/index.js'
import { type OpenCheckpoint, openModel, readParameter } from '../model/open-checkpoint.js'
import type { Communicator } from './communicator.js'
import { imageClasses, labelTexts, recordLabels } from './objectives/image-labels.js'
import { loadRecipe } from './recipe.js'
import type { StepMetrics } from './state.js'
import { train } from './train.js'

const tokenizer = fileURLToPath(new URL('../../models/nano/tokenizer.model', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'xcomposer-train-'))

interface TextRecord {
  readonly text: string
}

const counting: readonly TextRecord[] = Array.from({ length: 40 }, (_, i) => ({
  text: `The number after ${i % 10} is ${(i % 10) + 1}.`,
}))

/** Writes a recipe with its data; `changes` replace fields of it, line by line. */
function recipe(
  name: string,
  steps: number,
  changes: Readonly<Record<string, string | number>> = {},
  records: readonly object[] = counting,
): string {
  const dir = join(work, name)
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...smallConfig, vocab_size: 6000 }))
  writeFileSync(join(dir, 'text.jsonl'), records.map((r) => `${JSON.stringify(r)}\n`).join(''))
  const file = join(dir, 'recipe.yaml')
  const fields = {
    stage: 'language',
    init: '{ config: config.json }',
    tokenizer,
    out: 'out',
    data: '[{ file: text.jsonl }]',
    batch_size: 8,
    max_length: 64,
    steps,
    learning_rate: '3.0e-3',
    checkpoint_every: 2,
    seed: 5,
    threads: 1,
    ...changes,
  }
  writeFileSync(
    file,
    Object.entries(fields)
      .map(([field, value]) => `${field}: ${value}\n`)
      .join(''),
  )
  return file
}

const losses = (name: string) =>
  readFileSync(join(work, name, 'out', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as StepMetrics)

const ask = (question: string, answer: string) => ({
  conversations: [
    { from: 'user', value: question },
    { from: 'assistant', value: answer },
  ],
})

/** Two communicators of one process: a call of the one waits for the same call of the other, and both sums are put in place then. */
function twoProcesses(): Communicator[] {
  let waiting: { x: Float32Array; done: () => void } | undefined
  const meet = (x: Float32Array): Promise<void> => {
    if (!waiting) return new Promise((done) => (waiting = { x, done }))
    const { x: other, done } = waiting
    waiting = undefined
    for (const i of x.keys()) x[i] = (x[i] as number) + (other[i] as number)
    other.set(x)
    done()
    return Promise.resolve()
  }
  return [0, 1].map((rank) => ({ rank, size: 2, sum: meet, barrier: () => meet(new Float32Array(0)) }))
}

/** The tensors of a state, without its metadata. */
function stateTensors(file: string): Buffer {
  const { tensors } = openSafetensors(file)
  return Buffer.concat([...tensors.values()].map(readRaw))
}

describe('a training run', () => {
  it('learns, and writes a model directory that opens', async () => {
    const result = await train(loadRecipe(recipe('learns', 30)), { resume: true })
    const seen = losses('learns')
    expect(seen).toHaveLength(30)
    expect(result.finalLoss).toBeLessThan((seen[0]?.loss ?? 0) * 0.7)
    expect(openModel(result.out).specs.length).toBeGreaterThan(20)
  })

  it.each([{}, { accumulate: 2 }, { optimizer: 'muon' }])(
    'cut off between checkpoints and continued, it repeats the uninterrupted losses to the bit (%j)',
    async (changes) => {
      const id = Object.keys(changes).join() || 'plain'
      await train(loadRecipe(recipe(`${id}-whole`, 7, changes)), { resume: true })
      const cut = loadRecipe(recipe(`${id}-cut`, 7, changes))
      const crashing = {
        resume: true,
        onProgress: ({ step }: { step: number }) => {
          if (step === 5) throw new Error('cut off')
        },
      }
      await expect(train(cut, crashing)).rejects.toThrow('cut off')
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
      await train(loadRecipe(recipe(`on-${threads}`, 6, { threads })), { resume: true })
      for (const [i, { loss }] of losses(`on-${threads}`).entries()) expect(loss).toBeCloseTo(losses('one')[i]?.loss ?? 0, 3)
    }
    expect(liveHandles().byKind).toEqual({})
  })

  it('weighs every target the same: two records in one batch are two micro-batches are two threads', async () => {
    const records = [{ text: 'One.' }, { text: 'A much longer text, of which many more tokens are learned than of the other.' }]
    const same = { sort_window: 1, max_length: 40 }
    const run = async (name: string, changes: Readonly<Record<string, number>>) => {
      await train(loadRecipe(recipe(name, 4, { ...same, ...changes }, records)), { resume: true })
      return losses(name)
    }
    const whole = await run('as-batch', { batch_size: 2 })
    for (const [name, changes] of [
      ['as-micro-batches', { batch_size: 1, accumulate: 2 }],
      ['as-threads', { batch_size: 2, threads: 2 }],
    ] as const) {
      const parts = await run(name, changes)
      for (const [i, { loss, gradientNorm, targets }] of parts.entries()) {
        expect(targets).toBe(whole[i]?.targets)
        expect(loss).toBeCloseTo(whole[i]?.loss ?? 0, 4)
        expect(gradientNorm).toBeCloseTo(whole[i]?.gradientNorm ?? 0, 3)
      }
    }
  })

  it('makes the same steps in two processes as in one with the whole batch', async () => {
    const same = { sort_window: 1, max_length: 40 }
    await train(loadRecipe(recipe('one-process', 5, { ...same, batch_size: 8 })), { resume: true })
    const shared = loadRecipe(recipe('two-processes', 5, { ...same, batch_size: 4 }))
    await Promise.all(twoProcesses().map((communicator) => train(shared, { resume: true, communicator })))
    const whole = losses('one-process')
    const parts = losses('two-processes')
    expect(parts.map(({ step, targets }) => [step, targets])).toEqual(whole.map(({ step, targets }) => [step, targets]))
    for (const [i, { loss, gradientNorm }] of parts.entries()) {
      expect(loss).toBeCloseTo(whole[i]?.loss ?? 0, 3)
      expect(gradientNorm).toBeCloseTo(whole[i]?.gradientNorm ?? 0, 3)
    }
    const [one, two] = ['one-process', 'two-processes'].map((name) => openModel(join(work, name, 'out'))) as [
      OpenCheckpoint,
      OpenCheckpoint,
    ]
    // What separates them is the order in which floats are added; five steps move a weight by up to 0.01.
    for (const { name } of one.specs) {
      const [wanted, got] = [readParameter(one, name), readParameter(two, name)]
      const size = (v: Float32Array): number => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0))
      const difference = size(wanted.map((v, k) => v - (got[k] as number)))
      expect(difference, name).toBeLessThanOrEqual(1e-2 * (size(wanted) || 1))
    }
    await expect(train({ ...shared, steps: 6 }, { resume: true })).rejects.toThrow('steps was 5, is 6')
  })

  it('keeps a second run out of its directory', async () => {
    const first = train(loadRecipe(recipe('locked', 3)), { resume: true })
    await expect(train(loadRecipe(recipe('locked', 3)), { resume: true })).rejects.toThrow('is training into this directory')
    await first
    await expect(train(loadRecipe(recipe('locked', 3)), { resume: true })).resolves.toMatchObject({ steps: 3 })
  })

  it('leaves the weights as they are in a step without targets, and says so', async () => {
    const long = ask('word '.repeat(200), 'never reached')
    const notices: string[] = []
    const file = recipe('empty-steps', 12, { batch_size: 1, sort_window: 1, checkpoint_every: 1, keep: 12 }, [
      ...Array.from({ length: 3 }, () => long),
      ask('Two?', 'three'),
    ])
    await train(loadRecipe(file), { resume: true, onNotice: (line) => notices.push(line) })
    const [dir, steps] = [join(work, 'empty-steps', 'out', 'state'), losses('empty-steps')]
    const bytes = (step: number) => stateTensors(join(dir, `step-${String(step).padStart(7, '0')}.safetensors`))
    expect(new Set(steps.map(({ targets }) => targets > 0))).toEqual(new Set([true, false]))
    for (const { step, loss, targets } of steps) {
      if (step === 1) continue
      expect(bytes(step).equals(bytes(step - 1)), `step ${step}`).toBe(targets === 0)
      expect(loss === null).toBe(targets === 0)
      const said = notices.some((line) => line.startsWith(`step ${step}: no record in it has anything to learn`))
      expect(said).toBe(targets === 0)
    }
    for (const record of [0, 1, 2]) {
      expect(notices).toContain(
        `${join(work, 'empty-steps', 'text.jsonl')}: record ${record}: its answer begins after max_length 64, nothing of it is learned`,
      )
    }
  })

  it('is refused before its first step when no record teaches anything', async () => {
    const file = recipe('nothing', 2, {}, [ask('word '.repeat(200), 'never reached')])
    await expect(train(loadRecipe(file), { resume: true })).rejects.toThrow(
      'the answer of every record begins after max_length 64, nothing can be learned',
    )
    expect(existsSync(join(work, 'nothing', 'out'))).toBe(false)
  })

  it('interrupted by its signal, saves what it has learned and goes on there', async () => {
    await train(loadRecipe(recipe('signal-whole', 5, { checkpoint_every: 100 })), { resume: true })
    const cut = loadRecipe(recipe('signal-cut', 5, { checkpoint_every: 100 }))
    const stop = new AbortController()
    const onProgress = ({ step }: { step: number }) => {
      if (step === 3) stop.abort(new Error('interrupted'))
    }
    await expect(train(cut, { resume: true, signal: stop.signal, onProgress })).rejects.toThrow('interrupted')
    const notices: string[] = []
    await train(cut, { resume: true, onNotice: (line) => notices.push(line) })
    expect(notices).toContain('continuing after step 3')
    expect(losses('signal-cut').map(({ loss }) => loss)).toEqual(losses('signal-whole').map(({ loss }) => loss))
  })

  it('learns with Muon on its hidden matrices', async () => {
    const { finalLoss } = await train(loadRecipe(recipe('muon-learns', 20, { optimizer: 'muon' })), { resume: true })
    const seen = losses('muon-learns')
    expect(finalLoss).toBeLessThan((seen[0]?.loss ?? 0) * 0.7)
  })

  it('refuses to go on with a recipe or data that have changed, and says which field or file', async () => {
    await train(loadRecipe(recipe('changed', 2)), { resume: true })
    const other = loadRecipe(recipe('changed', 3, { learning_rate: '1.0e-3', threads: 2 }))
    await expect(train(other, { resume: true })).rejects.toThrow(
      'the run has changed since: steps was 2, is 3; learning_rate was 0.003, is 0.001; undo that, or use --restart to begin anew',
    )
    const data = loadRecipe(recipe('changed', 2, {}, [...counting, { text: 'One more.' }]))
    await expect(train(data, { resume: true })).rejects.toThrow("data[0].file: the file's content is another (sha256 ")
    await expect(train(other, { resume: false })).resolves.toMatchObject({ steps: 3 })
  })

  it('may be moved, and goes on from where it was', async () => {
    await train(loadRecipe(recipe('moved', 2)), { resume: true })
    renameSync(join(work, 'moved'), join(work, 'elsewhere'))
    const notices: string[] = []
    await train(loadRecipe(join(work, 'elsewhere', 'recipe.yaml')), { resume: true, onNotice: (line) => notices.push(line) })
    expect(notices).toContain('continuing after step 2')
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
    const classes = imageClasses(labelTexts(readRecords(join(dir, 'text.jsonl')).flatMap((r) => recordLabels(r) ?? [])))
    expect([...classes.names.keys()]).toEqual(['blue', 'green', 'red'])
    expect([...classes.words.keys()]).toEqual(['cold', 'colour', 'warm'])
    const { finalLoss, out } = await train(loadRecipe(file), { resume: true })
    expect(losses('names')[0]?.loss).toBeGreaterThan(0.5)
    // Two words for each image: their part of the loss cannot fall below ln 2.
    expect(finalLoss).toBeLessThan(Math.LN2 + 0.2)
    expect(openModel(out).specs.some((s) => s.role === 'classifier')).toBe(false)
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
