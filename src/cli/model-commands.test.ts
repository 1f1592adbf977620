/** The commands that run a model, in process, on a model of random weights: what they print, not what it says. */

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeSafetensors } from '../checkpoint/safetensors.js'
import { packageRoot } from '../common/package-root.js'
import { parseModelConfig } from '../model/config.js'
import { initialValues } from '../model/initial-values.js'
import { modelParameters } from '../model/parameters.js'
import { fakeIo } from './fake-io.js'
import { main } from './main.js'

let root = ''
let model = ''
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'cli-model-'))
  model = join(root, 'model')
  mkdirSync(model)
  const config: unknown = JSON.parse(readFileSync(join(packageRoot, 'recipes', 'tiny', 'config.json'), 'utf8'))
  const specs = modelParameters(parseModelConfig(config, 'config.json'))
  const tensors = specs.map((spec) => ({ ...spec, dtype: 'F32' as const, data: initialValues(spec, 1, 'zero_b') }))
  writeSafetensors(join(model, 'model.safetensors'), tensors)
  writeFileSync(join(model, 'config.json'), JSON.stringify(config))
  copyFileSync(join(packageRoot, 'models', 'nano', 'tokenizer.model'), join(model, 'tokenizer.model'))
  for (const [name, background] of [
    ['a.png', '#c02020'],
    ['b.png', '#2020c0'],
  ] as const) {
    await sharp({ create: { width: 32, height: 32, channels: 3, background } })
      .png()
      .toFile(join(root, name))
  }
  const question = { images: ['a.png'], question: 'What colour is this?', answers: ['red'], scorer: 'exact' }
  const lines = [
    { id: '1', task: 'colour', ...question },
    { id: '2', task: 'other', ...question, answers: ['blue'] },
    { id: '3', task: 'colour', ...question },
  ]
  writeFileSync(join(root, 'questions.jsonl'), lines.map((line) => JSON.stringify(line)).join('\n'))
})
afterAll(() => rmSync(root, { recursive: true }))

async function call(argv: string[], input = '') {
  const io = fakeIo({ input })
  const code = await main([...argv, '--model', model, '--threads', '1'], io)
  return { code, ...io.written }
}

describe('chat', () => {
  const ask = ['chat', '--image', '', '--max-new-tokens', '4']
  beforeAll(() => {
    ask[2] = join(root, 'a.png')
  })

  it('prints the same text streamed, as JSON, and for a question on standard input', async () => {
    const plain = await call([...ask, 'What is this?'])
    const json = await call([...ask, '--json', 'What is this?'])
    const piped = await call(ask, 'What is this?\n')
    expect([plain.code, json.code, piped.code, plain.err]).toEqual([0, 0, 0, ''])
    const { text, ids, usage, timings } = JSON.parse(json.out) as Record<string, unknown>
    expect(plain.out).toBe(`${text}\n`)
    expect(piped.out).toBe(plain.out)
    expect(ids).toHaveLength(4)
    expect(usage).toMatchObject({ imageTokens: 16, completionTokens: 4 })
    expect(Object.keys(timings as object)).toContain('tokensPerSecond')
  })

  it('draws the same answer for the same seed', async () => {
    const sampled = () => call([...ask, '--temperature', '2', '--seed', '5', 'What is this?'])
    expect((await sampled()).out).toBe((await sampled()).out)
  })

  it('refuses a picture that is none in one line', async () => {
    writeFileSync(join(root, 'page.png'), '<html></html>')
    const { code, out, err } = await call(['chat', '--image', join(root, 'page.png'), 'x'])
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(/^xcomposer: [^\n]*page\.png[^\n]*\n$/)
  })
})

describe('eval', () => {
  it('prints every task with its interval, and writes every prediction', async () => {
    const file = join(root, 'predictions.jsonl')
    const { code, out, err } = await call(['eval', join(root, 'questions.jsonl'), '--json', '--predictions', file])
    expect(code).toBe(0)
    expect(err).toMatch(/3\/3/)
    const report = JSON.parse(out) as { overall: object; tasks: Record<string, object> }
    expect(report.overall).toMatchObject({ score: expect.any(Number), n: 3, low: expect.any(Number), high: expect.any(Number) })
    expect(Object.keys(report.tasks)).toEqual(['colour', 'other'])
    const predictions = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    expect(predictions).toHaveLength(3)
    expect(predictions[0]).toMatchObject({ id: '1', task: 'colour', answers: ['red'], correct: expect.any(Boolean) })
  })

  it('in batches gives the same predictions', async () => {
    const [one, two] = [join(root, 'one.jsonl'), join(root, 'two.jsonl')]
    const asked = ['eval', join(root, 'questions.jsonl'), '--max-new-tokens', '5', '--json', '--predictions']
    const [single, batched] = [await call([...asked, one]), await call([...asked, two, '--batch', '2'])]
    expect([batched.code, batched.out]).toEqual([0, single.out])
    expect(readFileSync(two, 'utf8')).toBe(readFileSync(one, 'utf8'))
  })

  it('keeps replies when it is interrupted, and goes on after them to the same end', async () => {
    const [whole, cut] = [join(root, 'whole.jsonl'), join(root, 'cut.jsonl')]
    const asked = ['eval', join(root, 'questions.jsonl'), '--max-new-tokens', '5', '--json', '--predictions']
    const unbroken = await call([...asked, whole])
    const stop = new AbortController()
    const io = fakeIo()
    const stopping = {
      ...io,
      signal: stop.signal,
      err(text: string) {
        io.err(text)
        if (text.includes('1/3')) stop.abort()
      },
    }
    expect(await main([...asked, cut, '--model', model, '--threads', '1'], stopping)).toBe(130)
    expect(io.written.err).toMatch(/ended after 1 of 3 replies.*they are in .*cut\.jsonl, and the same command goes on/)
    const first = readFileSync(cut, 'utf8')
    expect(first).toBe(`${readFileSync(whole, 'utf8').split('\n')[0]}\n`)
    const other = await call([...asked, cut, '--beams', '2'])
    expect([other.code, other.err]).toEqual([
      2,
      expect.stringMatching(/unfinished run with beams 1 instead of 2; finish that run/),
    ])
    // As if the process had been killed in the middle of a line.
    writeFileSync(cut, `${first}{"id":"2","ta`)
    const again = await call([...asked, cut])
    expect(again.err).toContain('going on after 1 of 3 replies')
    expect([again.code, again.out, readFileSync(cut, 'utf8')]).toEqual([0, unbroken.out, readFileSync(whole, 'utf8')])
    expect(existsSync(`${cut}.run.json`)).toBe(false)
  })

  it('looks at images before it asks, and leaves questions with bad ones out where told to', async () => {
    writeFileSync(join(root, 'page.png'), '<html></html>')
    const folder = mkdtempSync(join(root, 'apart-'))
    const file = join(folder, 'questions.json')
    const question = { task: 'colour', question: 'What colour is this?', answers: ['red'], scorer: 'exact' }
    const images = ['a.png', 'page.png', 'none.png', 'b.png']
    writeFileSync(file, JSON.stringify(images.map((image, id) => ({ id, image, ...question }))))
    const asked = ['eval', file, '--images', root, '--max-new-tokens', '2', '--json']
    expect(await call(asked)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/record 2 \(line 1\): image "none\.png" not found/),
    })
    writeFileSync(
      file,
      JSON.stringify(images.filter((name) => name !== 'none.png').map((image, id) => ({ id, image, ...question }))),
    )
    const bad = await call(asked)
    expect(bad).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/1 image\(s\) .*--skip-bad:\n {2}.*record 1 .*page\.png/),
    })
    writeFileSync(file, JSON.stringify(images.map((image, id) => ({ id, image, ...question }))))
    const { code, out, err } = await call([...asked, '--skip-bad'])
    expect([code, JSON.parse(out)]).toEqual([0, expect.objectContaining({ skipped: 2 })])
    expect(JSON.parse(out)).toMatchObject({ overall: { n: 2 } })
    expect(err).toMatch(/2 question\(s\) left out for their images/)
  })

  it('asks without pictures, or no model at all, for the baselines', async () => {
    const text = await call(['eval', join(root, 'questions.jsonl'), '--baseline', 'text-only', '--limit', '2'])
    expect([text.code, text.out.split('\n')[0]]).toEqual([0, 'task     score %  95 % interval  n'])
    const majority = await call(['eval', join(root, 'questions.jsonl'), '--baseline', 'majority', '--json'])
    expect(JSON.parse(majority.out)).toMatchObject({ overall: { score: 1, n: 3 } })
  })
})

it('compose gives a structure and a page, or says in one line that the model wrote nothing', async () => {
  const page = join(root, 'page.html')
  const { code, out, err } = await call(['compose', 'Red and blue', '--library', root, '--json', '--out', page, '--images', '1'])
  if (code === 0) {
    expect(JSON.parse(out)).toMatchObject({ subject: 'Red and blue', language: 'en' })
    expect(readFileSync(page, 'utf8')).toMatch(/^<!doctype html>/)
  } else {
    expect([code, out]).toEqual([1, ''])
    expect(err).toContain('the model wrote nothing')
  }
})

it('inspect counts what the file holds', async () => {
  const io = fakeIo()
  expect(await main(['inspect', '--model', model, '--json'], io)).toBe(0)
  const { weightsOnDisk, parameters } = JSON.parse(io.written.out) as { weightsOnDisk: number; parameters: { total: number } }
  expect(weightsOnDisk).toBe(4 * parameters.total)
})
