/** Requests of every kind at the same time on one model: each gives what it gives alone, or ends as it was told to. */
import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { smallConfig, writeRandomModel } from '../../tests/support/random-model.js'
import { packagedModel, packageRoot } from '../common/package-root.js'
import { compose } from '../compose/compose.js'
import { liveHandles } from '../engine/index.js'
import { XComposer } from '../inference/xcomposer.js'
import { type Library, openLibrary } from '../library/library.js'
import { type ChatMessage, type ChatOptions, type ChatResult, chat } from './chat.js'
import { chatBatch } from './chat-batch.js'

let model: XComposer
/** Answers alone; it never sees two requests at once. */
let lonely: XComposer
let library: Library
beforeAll(async () => {
  // Fewer places than there are requests: some wait, and rows that are not read lose theirs.
  model = await XComposer.load(packagedModel, { threads: 1, slots: 3 })
  lonely = await XComposer.load(packagedModel, { threads: 1 })
  library = await openLibrary(join(packageRoot, 'examples', 'library'))
})
afterAll(async () => {
  await Promise.all([model.dispose(), lonely.dispose()])
  expect(liveHandles().byKind).toEqual({})
})

const image = (name: string) => ({ type: 'image' as const, image: join(packageRoot, 'examples', 'questions', name) })
const text = (words: string) => ({ type: 'text' as const, text: words })
const conversations: readonly (readonly ChatMessage[])[] = [
  [{ role: 'user', content: 'What is the capital of Kenya?' }],
  [{ role: 'user', content: '法国的首都是哪里？' }],
  [{ role: 'user', content: 'Write a short illustrated article about «The apple».' }],
  [{ role: 'user', content: [image('emojione-house.png'), text('What is this?')] }],
  [{ role: 'user', content: [image('counting-c_held_out0.png'), text('How many of the trolleybus are there?')] }],
  [
    { role: 'user', content: [image('emojione-house.png'), text('What is this?')] },
    { role: 'assistant', content: 'a house' },
    { role: 'user', content: [image('counting-c_held_out0.png'), text('这是什么？')] },
  ],
  [{ role: 'user', content: `${'word '.repeat(150)}What is the currency of Japan?` }],
]

/** A request whose outcome can be compared: what it gives, or how it ends. */
type Request = (on: XComposer) => Promise<unknown>
const comparable = ({ text: answered, ids, usage: { cachedTokens: _, ...usage }, finishReason }: ChatResult) => ({
  answered,
  ids,
  usage,
  finishReason,
})

async function read(on: XComposer, messages: readonly ChatMessage[], options: ChatOptions): Promise<unknown> {
  const answer = chat(on, messages, options)
  let pieces = ''
  for await (const piece of answer) pieces += piece
  const result = await answer.result
  expect(pieces).toBe(result.text)
  return comparable(result)
}

/** The first pieces of an answer that is then aborted, or left. */
async function leave(on: XComposer, messages: readonly ChatMessage[], pieces: number, abort: boolean): Promise<unknown> {
  const control = new AbortController()
  const answer = chat(on, messages, { maxNewTokens: 30, signal: control.signal })
  const got: string[] = []
  try {
    for await (const piece of answer) {
      got.push(piece)
      if (got.length < pieces) continue
      if (!abort) break
      control.abort(new Error('enough'))
    }
  } catch (error) {
    got.push(String(error))
  }
  return got
}

/** A request that is aborted, or left, at any moment: whatever it gave, the others must not notice. */
async function disturb(on: XComposer, messages: readonly ChatMessage[], options: ChatOptions, ms: number, abort: boolean) {
  const control = new AbortController()
  const answer = chat(on, messages, { ...options, signal: control.signal })
  const ended = answer.result.catch(() => {})
  await new Promise((resolve) => setTimeout(resolve, ms))
  if (abort) control.abort()
  else await answer.return()
  await ended
}

const messages = fc.constantFrom(...conversations)
const sampling = fc.record({
  temperature: fc.constantFrom(0.7, 1, 1.5),
  topP: fc.constantFrom(0.8, 1),
  topK: fc.constantFrom(0, 40),
  seed: fc.nat(1000),
  repetitionPenalty: fc.constantFrom(1, 1.1),
})
const options: fc.Arbitrary<ChatOptions> = fc
  .tuple(
    fc.oneof(
      sampling,
      fc.constantFrom<ChatOptions>({}, { beams: 2 }, { beams: 3 }, { lookup: true }, { prefix: 'It is' }, { stop: ['.', '。'] }),
    ),
    fc.integer({ min: 1, max: 24 }),
  )
  .map(([more, maxNewTokens]) => ({ ...more, maxNewTokens }))

const request: fc.Arbitrary<Request> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(messages, options).map(
      ([asked, how]): Request =>
        (on) =>
          read(on, asked, how),
    ),
  },
  // A model may be its own draft: two sequences of one request.
  {
    weight: 1,
    arbitrary: messages.map(
      (asked): Request =>
        (on) =>
          read(on, asked, { maxNewTokens: 12, draft: on }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(messages, options, fc.nat(25), fc.boolean()).map(
      ([asked, how, ms, abort]): Request =>
        (on) =>
          disturb(on, asked, how, ms, abort),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.array(messages, { minLength: 1, maxLength: 3 }), sampling, fc.integer({ min: 1, max: 12 })).map(
      ([asked, how, maxNewTokens]): Request =>
        async (on) =>
          (await chatBatch(on, asked, { ...how, maxNewTokens })).map(comparable),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(messages, fc.integer({ min: 1, max: 4 }), fc.boolean()).map(
      ([asked, pieces, abort]): Request =>
        (on) =>
          leave(on, asked, pieces, abort),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat(3).map(
      (seed): Request =>
        async (on) => {
          const { sections, trace } = await compose({ subject: 'The apple', language: 'en', library, model: on, images: 1, seed })
          return { sections, replies: trace.map(({ reply }) => reply) }
        },
    ),
  },
)

it('each gives what it gives alone, whenever it begins', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(request, fc.nat(12)), { minLength: 2, maxLength: 8 }), async (requests) => {
      const together = await Promise.all(
        requests.map(async ([ask, delay]) => {
          await new Promise((resolve) => setTimeout(resolve, delay))
          return ask(model)
        }),
      )
      // Whatever happened, all rows and places came back, and all memory but that of the prefix cache.
      const { pool, free } = model.decoder.scheduler
      expect(pool.size.rows).toBe(0)
      expect(free).toBe(3)
      expect(model.decoder.living.size).toBe(model.prefixes.statistics.entries)
      for (const [i, [ask]] of requests.entries()) {
        lonely.prefixes.clear()
        expect(together[i]).toEqual(await ask(lonely))
      }
    }),
    { numRuns: 20 },
  )
}, 120_000)

it('the same image in several requests is encoded once', async () => {
  const fresh = await XComposer.load(packagedModel, { threads: 1 })
  try {
    const encode = vi.spyOn(fresh, 'encodeImages')
    const asked = conversations[3] as readonly ChatMessage[]
    const answers = await Promise.all([1, 2, 3].map(() => chat(fresh, asked, { maxNewTokens: 4 }).result))
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1)
    expect(encode).toHaveBeenCalledTimes(1)
  } finally {
    await fresh.dispose()
  }
})

it('sequences of the prefix cache are never shared', async () => {
  const asked = conversations[4] as readonly ChatMessage[]
  const wanted = (await chat(model, asked, { maxNewTokens: 12 }).result).ids
  const answers = await Promise.all([1, 2, 3, 4].map(() => chat(model, asked, { maxNewTokens: 12 }).result))
  for (const { ids } of answers) expect(ids).toEqual(wanted)
})

it.each([
  ['whose rotary tables depend on the length', { max_position_embeddings: 40, rope_scaling: { type: 'dynamic', factor: 2 } }],
  ['whose images are cut into tiles', { hd: true }],
])('a model %s answers each request as alone', async (_, more) => {
  const dir = writeRandomModel({ ...smallConfig, vocab_size: 6000, prompt_bos: 'first', max_length: 600, ...more })
  copyFileSync(join(packagedModel, 'tokenizer.model'), join(dir, 'tokenizer.model'))
  const [together, alone] = await Promise.all([1, 2].map(() => XComposer.load(dir, { threads: 1 })))
  try {
    const requests: Request[] = [
      (on) => read(on, conversations[0] as ChatMessage[], { maxNewTokens: 40 }),
      (on) => read(on, conversations[3] as ChatMessage[], { maxNewTokens: 20, maxTiles: 3 }),
      (on) => read(on, conversations[4] as ChatMessage[], { maxNewTokens: 10, beams: 3, maxTiles: 2 }),
      (on) => read(on, conversations[1] as ChatMessage[], { maxNewTokens: 30, temperature: 1, seed: 4 }),
      async (on) => (await chatBatch(on, conversations.slice(0, 4), { maxNewTokens: 12, maxTiles: 2 })).map(comparable),
    ]
    const got = await Promise.all(requests.map((ask) => ask(together as XComposer)))
    for (const [i, ask] of requests.entries()) {
      alone?.prefixes.clear()
      expect(got[i]).toEqual(await ask(alone as XComposer))
    }
  } finally {
    await Promise.all([together?.dispose(), alone?.dispose()])
    rmSync(dir, { recursive: true })
  }
})
