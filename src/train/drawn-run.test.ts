/** A run on drawn samples: resumed to the bit, classifiers handed on to the next stage, probes of tower and model on the way. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { smallConfig } from '../../tests/support/random-model.js'
import { openSafetensors } from '../checkpoint/safetensors.js'
import { readRaw, readTensor } from '../checkpoint/tensors.js'
import { liveHandles } from '../engine/index.js'
import { askModel } from '../evaluate/ask-model.js'
import { loadRecipe } from './recipe.js'
import { train } from './train.js'

const tokenizer = fileURLToPath(new URL('../../models/nano/tokenizer.model', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'drawn-run-'))
afterAll(() => {
  rmSync(dir, { recursive: true })
  expect(liveHandles().byKind).toEqual({})
})

/** Sample n is plain red, green or blue by n, at a brightness of its own. */
const generators = `
const names = ['red', 'green', 'blue']
const colours = () => ({
  labels: { names, cells: names },
  draw: (seed, n) => {
    const channel = n % 3
    const data = new Uint8Array(768)
    for (let i = channel; i < 768; i += 3) data[i] = 120 + ((seed * 7 + n * 31) % 130)
    const name = names[channel]
    return {
      image: { width: 16, height: 16, channels: 3, data },
      questions: [{ question: 'What is this?', answer: name }, { question: 'Which number?', answer: String(channel) }],
      labels: { name, cells: Array(16).fill(name) },
    }
  },
})
export const generators = { colours }
`
const text = (fields: Readonly<Record<string, string | number>>) =>
  Object.entries(fields)
    .map(([field, value]) => `${field}: ${value}\n`)
    .join('')

/** Writes a recipe; fields of `changes` replace others. */
function recipe(name: string, changes: Readonly<Record<string, string | number>>): string {
  const file = join(dir, `${name}.yaml`)
  const fields = {
    stage: 'sft',
    init: '{ config: config.json }',
    tokenizer,
    out: name,
    generators: 'generators.mjs',
    data: '[{ draw: colours }]',
    batch_size: 6,
    max_length: 64,
    steps: 6,
    optimizer: 'muon',
    label_loss: 2,
    checkpoint_every: 2,
    seed: 5,
    threads: 1,
  }
  const all = Object.entries({ ...fields, ...changes }).filter(([, value]) => value !== '')
  writeFileSync(file, text(Object.fromEntries(all)))
  return file
}

const lines = (file: string) =>
  readFileSync(join(dir, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
const weights = (out: string) =>
  Buffer.concat([...openSafetensors(join(dir, out, 'model.safetensors')).tensors.values()].map(readRaw))

beforeAll(async () => {
  writeFileSync(join(dir, 'generators.mjs'), generators)
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...smallConfig, vocab_size: 6000 }))
  mkdirSync(join(dir, 'eval'))
  const questions: string[] = []
  for (const [i, [answer, background]] of Object.entries({ red: '#c00', green: '#0c0', blue: '#00c' }).entries()) {
    await sharp({ create: { width: 16, height: 16, channels: 3, background } })
      .png()
      .toFile(join(dir, 'eval', `${i}.png`))
    for (const task of ['colour', 'number'])
      questions.push(
        JSON.stringify({
          id: `${task}${i}`,
          task,
          images: [`${i}.png`],
          question: task === 'colour' ? 'What is this?' : 'Which number?',
          answers: [task === 'colour' ? answer : String(i)],
          scorer: 'exact',
        }),
      )
  }
  writeFileSync(join(dir, 'eval', 'questions.jsonl'), questions.join('\n'))
})

it('goes on after an interruption as if there had been none', async () => {
  await train(loadRecipe(recipe('whole', {})), { resume: true })
  const file = recipe('cut', {})
  const controller = new AbortController()
  const cut = train(loadRecipe(file), {
    resume: true,
    signal: controller.signal,
    onProgress: ({ step }) => step === 3 && controller.abort(),
  })
  await expect(cut).rejects.toThrow()
  await train(loadRecipe(file), { resume: true })
  const seen = (name: string) =>
    lines(`${name}/metrics.jsonl`).map(({ step, loss, gradientNorm }) => ({ step, loss, gradientNorm }))
  expect(seen('cut')).toEqual(seen('whole'))
  expect(weights('cut').equals(weights('whole'))).toBe(true)
})

it('learns, says what tower and model know as it goes, and hands its classifiers to the next stage', async () => {
  const probe = '{ files: [eval/questions.jsonl], every: 30, questions: 2 }'
  const vision = recipe('vision', { stage: 'vision', steps: 60, label_loss: 0, probe })
  const told: string[] = []
  await train(loadRecipe(vision), { resume: true, onNotice: (line) => told.push(line) })
  const tower = { colour: { right: 2, asked: 2 } }
  expect(lines('vision/probes.jsonl')).toEqual([
    { step: 30, samples: 180, tower: expect.anything() },
    { step: 60, samples: 360, tower },
  ])
  expect(told).toContain('step 60: tower colour 100 %, ')
  const heads = openSafetensors(join(dir, 'vision/classifiers/heads.safetensors'))
  expect(JSON.parse(heads.metadata.get('names') ?? '')).toEqual(['blue', 'green', 'red'])
  // One step at a rate of almost nothing leaves the classifiers that it starts from.
  const next = recipe('next', { vision_from: 'vision', steps: 1, learning_rate: '1e-9', optimizer: 'adamw', probe })
  await train(loadRecipe(next), {
    resume: true,
    probe: (model, questions) => askModel(model, questions, { maxNewTokens: 24, threads: 1 }),
  })
  const [before, after] = [heads, openSafetensors(join(dir, 'next/classifiers/heads.safetensors'))].map(({ tensors }) =>
    readTensor(tensors.get('classifier.names.weight') as never),
  )
  expect(after).toEqual(before)
  // A stage that learns no classifiers hands them on.
  const without = recipe('without', {
    from: 'vision',
    init: '',
    tokenizer: '',
    steps: 1,
    label_loss: 0,
    freeze: '[vision, decoder]',
  })
  await train(loadRecipe(without), { resume: true })
  expect(readFileSync(join(dir, 'without/classifiers/heads.safetensors')).equals(readFileSync(heads.path))).toBe(true)
  const answers = { asked: 2, right: expect.any(Number) }
  expect(lines('next/probes.jsonl')).toEqual([{ step: 1, samples: 6, model: { colour: answers, number: answers }, tower }])
})
