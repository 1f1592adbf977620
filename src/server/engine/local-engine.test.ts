/** The engine in this process, against chat itself; and which models are loaded when. */
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { smallConfig, writeRandomModel } from '../../../tests/support/random-model.js'
import { answered, LONG, never, pictured, question, read } from '../../../tests/support/supervised.js'
import { chat } from '../../chat/chat.js'
import { InputError } from '../../common/errors.js'
import { packagedModel, packageRoot } from '../../common/package-root.js'
import { liveHandles } from '../../engine/index.js'
import { tileLayout } from '../../image/tiles.js'
import { XComposer } from '../../inference/xcomposer.js'
import { inspect } from '../../model/inspect.js'
import { openModel } from '../../model/open-checkpoint.js'
import type { EngineEvent, EngineRequest } from '../engine.js'
import { LocalEngine } from './local-engine.js'

const top = mkdtempSync(join(tmpdir(), 'engine-'))
/** The same model under several names. */
const names = ['one', 'two', 'three'] as const
const dirs = names.map((name) => join(top, name))
const { memory } = inspect(openModel(packagedModel).config)
const bytes = memory.weights + memory.kvFull + memory.visionActivations
const settings = { models: [packagedModel], threads: 1 }
let engine: LocalEngine
beforeAll(() => {
  for (const dir of dirs) cpSync(packagedModel, dir, { recursive: true })
  engine = new LocalEngine(settings)
})
afterAll(async () => {
  await engine.close()
  rmSync(top, { recursive: true })
  expect(liveHandles().byKind).toEqual({})
})

const of = (model: string, request: EngineRequest = question('What is the capital of Kenya?')) => ({ ...request, model })
const end = (events: readonly EngineEvent[]) => {
  const last = events.at(-1)
  if (last?.type !== 'end') throw new Error('the answer has no end')
  return last
}

describe('an answer', () => {
  it('is what chat gives, its log-probabilities piece by piece', async () => {
    const model = await XComposer.load(packagedModel, { threads: 1 })
    const messages = [{ role: 'user' as const, content: '法国的首都是哪里？' }]
    for (const options of [
      { logprobs: 2 },
      { logprobs: 0, stop: ['黎'] },
      { temperature: 1, seed: 5, maxNewTokens: 9, logitBias: { 300: 4 } },
    ]) {
      const want = await chat(model, messages, options).result
      const events = await read(engine.answer(question(messages[0]?.content ?? '', options), never))
      const pieces = events.flatMap((event) => (event.type === 'piece' ? [event] : []))
      expect(pieces.map(({ text }) => text).join('')).toBe(want.text)
      expect(pieces.flatMap(({ logprobs = [] }) => logprobs)).toEqual(want.logprobs ?? [])
      expect(end(events)).toMatchObject({
        finishReason: want.finishReason,
        usage: { ...want.usage, images: [], cachedTokens: 0 },
      })
    }
    await model.dispose()
  })

  it('says how an image was seen, also when it is known already', async () => {
    const ask = async () => end(await read(engine.answer(pictured('What is this?'), never))).usage
    const usage = await ask()
    const { imageSize } = openModel(packagedModel).config.vision ?? { imageSize: 0 }
    expect(usage.images).toEqual([{ width: imageSize, height: imageSize, tokens: usage.imageTokens }])
    const { hits, misses } = (await engine.cacheStatistics()).image
    expect(usage.cachedTokens).toBe(0)
    const again = await ask()
    expect(again).toEqual({ ...usage, cachedTokens: again.cachedTokens })
    expect(again.cachedTokens).toBeGreaterThan(usage.imageTokens)
    expect((await engine.cacheStatistics()).prefix).toMatchObject({ hits: 1 })
    expect((await engine.cacheStatistics()).image).toMatchObject({ entries: 1, hits: hits + 1, misses })
    // Another scope shares nothing.
    const other = await read(engine.answer({ ...pictured('What is this?'), cacheScope: 'other' }, never))
    expect(end(other).usage).toEqual(usage)
    expect((await engine.cacheStatistics()).image).toMatchObject({ entries: 2, hits: hits + 1, misses: misses + 1 })
    await engine.clearCaches()
    expect((await engine.cacheStatistics()).image.entries).toBe(0)
  })

  it('of a tiled model says the size of all tiles', async () => {
    const dir = writeRandomModel({ ...smallConfig, hd: true, vocab_size: 6000 })
    copyFileSync(join(packagedModel, 'tokenizer.model'), join(dir, 'tokenizer.model'))
    const tiled = new LocalEngine({ models: [dir], threads: 1 })
    const image = await sharp({ create: { width: 60, height: 30, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    const messages = [{ role: 'user' as const, content: [{ type: 'image' as const, image }] }]
    const id = tiled.models[0]?.id ?? ''
    expect(tiled.models[0]).toMatchObject({ vision: true, tiled: true })
    for (const maxTiles of [1, 4, 9]) {
      const request = { ...of(id), prompt: { kind: 'chat' as const, messages }, options: { maxTiles, maxNewTokens: 2 } }
      const { usage } = end(await read(tiled.answer(request, never)))
      const [width, height] = tileLayout(60, 30, maxTiles, 16).final
      expect(usage.images).toEqual([{ width, height, tokens: usage.imageTokens }])
    }
    await tiled.close()
    rmSync(dir, { recursive: true })
  })

  it('is refused for what names a file, for unknown models and ids', async () => {
    const file = join(packageRoot, 'examples', 'library', 'red-apple.webp')
    const fails = (request: EngineRequest) => expect(read(engine.answer(request, never))).rejects
    for (const image of [file, { file }, new URL(`file://${file}`), `file://${file}`]) {
      const content = [{ type: 'image' as const, image }]
      await fails({ ...of('nano'), prompt: { kind: 'chat', messages: [{ role: 'user', content }] } }).toThrow(
        'message 1, part 1: expected the bytes of an image',
      )
    }
    const content = [{ type: 'image_url' as const, image_url: `file://${file}` }]
    await fails({ ...of('nano'), prompt: { kind: 'chat', messages: [{ role: 'user', content }] } }).toThrow('got an image_url')
    await fails(of('mega')).toThrow('model: got "mega", expected one of nano')
    await fails(question('a', { logitBias: { 999999: 1 } })).toThrow('logit_bias: got the id "999999", expected one below')
    await expect(engine.embed('nano', [{ image: file as unknown as Uint8Array }], never)).rejects.toThrow(
      'input 1: expected the bytes',
    )
  })

  it('is JSON where that is asked for', async () => {
    const schema = { type: 'object', properties: { n: { enum: [7] } }, required: ['n'], additionalProperties: false }
    const constraint = { kind: 'json_schema' as const, schema }
    const { text } = await answered(engine.answer(question('How many?', { constraint, maxNewTokens: 40 }), never))
    expect(JSON.parse(text)).toEqual({ n: 7 })
    const wrong = question('a', { constraint: { kind: 'json_schema', schema: { type: 'nothing' } } })
    await expect(read(engine.answer(wrong, never))).rejects.toThrow(InputError)
  })

  it('that is left or aborted at any moment leaves nothing', async () => {
    await engine.clearCaches()
    const before = await engine.counters()
    expect(before).toMatchObject({ requests: 0, sequences: 0 })
    for (const request of [question(LONG), pictured(LONG)]) {
      for (const pieces of [0, 1, 5]) {
        const control = new AbortController()
        const aborted = engine.answer(request, control.signal)
        const left = engine.answer(request, never)
        for (let i = 0; i < pieces; i++) await Promise.all([aborted.next(), left.next()])
        const next = aborted.next()
        control.abort(new Error('enough'))
        await expect(next).rejects.toThrow('enough')
        await left.return?.()
      }
    }
    expect(await engine.counters()).toMatchObject({ requests: 0, sequences: 0 })
    await engine.clearCaches()
    expect(await engine.counters()).toEqual(before)
  })
})

it('gives embeddings of texts, ids and images in one space', async () => {
  const text = 'a red apple'
  const image = readFileSync(join(packageRoot, 'examples', 'library', 'red-apple.webp'))
  const found = await engine.embed('nano', [{ text }, { image }, { ids: [300, 301] }], never)
  for (const { vector } of found) {
    expect(vector).toHaveLength(engine.models[0]?.hiddenSize ?? 0)
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
  }
  expect(found.map(({ tokens }) => tokens > 0)).toEqual([true, true, true])
})

describe('models', () => {
  const room = { models: dirs, threads: 1, modelMemory: 2.5 * bytes }

  it('are known by their names before one is loaded', async () => {
    const own = new LocalEngine(room)
    const { config } = openModel(packagedModel)
    expect(own.models.map(({ id, loaded }) => [id, loaded])).toEqual(names.map((name) => [name, false]))
    const { hiddenSize } = config.decoder
    expect(own.models[0]).toMatchObject({ vision: true, tiled: false, contextLength: config.maxLength, hiddenSize })
    await own.close()
    expect(new LocalEngine({ ...settings, context: 64 }).models[0]?.contextLength).toBe(64)
  })

  it('that cannot be, or never fit, are refused at once', () => {
    expect(() => new LocalEngine({ models: [join(top, 'none')] })).toThrow(/none/)
    expect(() => new LocalEngine({ models: [] })).toThrow('at least one model directory')
    expect(() => new LocalEngine({ models: [packagedModel, packagedModel] })).toThrow('both called "nano"; rename one')
    expect(() => new LocalEngine({ ...settings, modelMemory: bytes - 1 })).toThrow(
      /nano: needs \d+ MiB, the memory for models is \d+ MiB; allow more/,
    )
    expect(() => new LocalEngine({ ...settings, context: 1e9 })).toThrow('context: got 1000000000')
  })

  it('take turns in memory that holds two of three: each answers, and never three are loaded', async () => {
    let most = 0
    const own: LocalEngine = new LocalEngine(room, {
      onChange: () => {
        most = Math.max(most, own.models.filter(({ loaded }) => loaded).length)
      },
    })
    const want = await answered(engine.answer(question('What is the capital of Kenya?'), never))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 5 }), async (asked) => {
        const got = await Promise.all(asked.map((name) => answered(own.answer(of(name), never))))
        expect(got).toEqual(asked.map(() => want))
      }),
      { numRuns: 6 },
    )
    expect(most).toBe(2)
    await own.close()
  })

  it('in use are not unloaded: who asks for a third waits, or goes', async () => {
    const own = new LocalEngine(room)
    const loaded = () => own.models.filter((model) => model.loaded).map(({ id }) => id)
    const [one, two] = ['one', 'two'].map((name) => own.answer(of(name, question(LONG)), never))
    await one?.next()
    await two?.next()
    const control = new AbortController()
    const gone = answered(own.answer(of('three'), control.signal))
    const third = answered(own.answer(of('three'), never))
    control.abort(new Error('enough'))
    await expect(gone).rejects.toThrow('enough')
    expect((await two?.next())?.done).toBe(false)
    // The least recently used is the first to go, as soon as nothing runs on it.
    expect(loaded()).toEqual(['two'])
    await one?.return?.()
    expect(await third).toEqual({ text: 'Kenyan', end: 'stop' })
    expect(loaded()).toEqual(['two', 'three'])
    await two?.return?.()
    await own.close()
    await expect(read(own.answer(of('one'), never))).rejects.toMatchObject({ code: 'disposed' })
  })

  it('that break on the disk fail their requests, and work again when they are back', async () => {
    const own = new LocalEngine({ models: [dirs[0] as string], threads: 1 })
    const weights = join(dirs[0] as string, 'tokenizer.model')
    rmSync(weights)
    await expect(read(own.answer(of('one'), never))).rejects.toThrow('tokenizer.model')
    copyFileSync(join(packagedModel, 'tokenizer.model'), weights)
    expect(await answered(own.answer(of('one'), never))).toEqual({ text: 'Kenyan', end: 'stop' })
    await own.close()
  })
})
