/** A batch of conversations against each of them alone: on nano, which ends its answers, and on small random models. */
import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { smallConfig, writeRandomModel } from '../../tests/support/random-model.js'
import { InputError } from '../common/errors.js'
import { liveHandles } from '../engine/index.js'
import { XComposer } from '../inference/xcomposer.js'
import { type ChatMessage, type ChatResult, chat } from './chat.js'
import { type ChatBatchOptions, chatBatch } from './chat-batch.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const nano = join(root, 'models', 'nano')
let model: XComposer
beforeAll(async () => {
  model = await XComposer.load(nano, { threads: 1 })
})
afterEach(() => void vi.restoreAllMocks())
afterAll(() => {
  model.dispose()
  expect(liveHandles().byKind).toEqual({})
})

const user = (text: string, ...images: string[]): ChatMessage => ({
  role: 'user',
  content: [
    ...images.map((name) => ({ type: 'image' as const, image: { file: join(root, 'examples', 'questions', name) } })),
    { type: 'text' as const, text },
  ],
})
const trolleybus = 'counting-c_held_out0.png'
const house = 'emojione-house.png'
const conversations: ChatMessage[][] = [
  [user('How many of the trolleybus are there?', trolleybus)],
  [user('What is the capital of France?')],
  [user('What is this?', house)],
  [user('What is this?', house), { role: 'assistant', content: 'a house' }, user('这是什么？', trolleybus)],
  [user('word '.repeat(40))],
]

const alone = (on: XComposer, messages: ChatMessage[], options: ChatBatchOptions) => chat(on, messages, options).result

/** What does not depend on time. */
const answer = ({ text, ids, usage: { cachedTokens: _, ...usage }, finishReason }: ChatResult) => ({
  text,
  ids,
  usage,
  finishReason,
})

async function expectAnswersOfAlone(on: XComposer, batch: ChatMessage[][], options: ChatBatchOptions): Promise<ChatResult[]> {
  const results = await chatBatch(on, batch, options)
  const wanted: ChatResult[] = []
  for (const messages of batch) wanted.push(await alone(on, messages, options))
  expect(results.map(answer)).toEqual(wanted.map(answer))
  return results
}

describe('a batch of conversations', () => {
  it.each([
    ['greedy', { maxNewTokens: 24 }],
    ['sampled', { maxNewTokens: 24, temperature: 1, topP: 0.9, topK: 50, seed: 7, repetitionPenalty: 1.2 }],
    ['begun for the model', { maxNewTokens: 8, prefix: 'It is' }],
  ] as [string, ChatBatchOptions][])('is answered as each alone, %s', async (_, options) => {
    const results = await expectAnswersOfAlone(model, conversations, options)
    // Otherwise nobody left the batch before the others.
    expect(new Set(results.map(({ ids }) => ids.length)).size).toBeGreaterThan(1)
  })

  it('takes as many passes as its longest answer', async () => {
    const [together, alone] = [vi.spyOn(model.decoder.sessions, 'passRows'), vi.spyOn(model.decoder.sessions, 'pass')]
    const prompts = vi.spyOn(model.decoder.sessions, 'run')
    const results = await chatBatch(model, conversations, { maxNewTokens: 24 })
    expect(prompts).toHaveBeenCalledTimes(conversations.length)
    // The first token comes from the prompt; one that is stopped has asked for the stop id.
    const asked = results.map(({ ids, finishReason }) => ids.length - (finishReason === 'length' ? 1 : 0))
    const shared = together.mock.calls.length
    expect(shared + alone.mock.calls.length - conversations.length).toBe(Math.max(...asked))
  })

  it('computes what prompts begin with in common once', async () => {
    model.prefixes.clear()
    const run = vi.spyOn(model.decoder.sessions, 'run')
    const questions = ['How many of the trolleybus are there?', 'What is this?', '这是什么？']
    await chatBatch(
      model,
      questions.map((text) => [user(text, trolleybus)]),
    )
    expect(run.mock.calls.map(([step]) => step.imageColumns?.length)).toEqual([64, 0, 0])
  })

  it('of none is nothing, of one is its answer', async () => {
    expect(await chatBatch(model, [])).toEqual([])
    await expectAnswersOfAlone(model, conversations.slice(0, 1), { maxNewTokens: 8 })
  })

  it.each([
    ['a picture that is none', user('What is this?', '../../package.json'), /^conversation 2: .*package\.json/],
    ['no user message last', { role: 'assistant', content: 'hi' }, /^conversation 2: messages: expected a user message/],
    ['a prompt too long', user('word '.repeat(1100)), /^conversation 2: the prompt takes/],
  ] as [string, ChatMessage, RegExp][])('with %s is refused before anything runs', async (_, message, text) => {
    const [encode, run] = [vi.spyOn(model, 'encodeImages'), vi.spyOn(model.decoder.sessions, 'run')]
    const batch = chatBatch(model, [[user('What is this?', house)], [message]])
    await expect(batch).rejects.toThrow(InputError)
    await expect(batch).rejects.toThrow(text)
    expect([encode, run].map(({ mock }) => mock.calls.length)).toEqual([0, 0])
  })

  it('ends as a whole when it is aborted or one answer fails', async () => {
    const control = new AbortController()
    const passes = vi.spyOn(model.decoder.sessions, 'passRows')
    const run = chatBatch(model, conversations, { maxNewTokens: 24, signal: control.signal })
    while (passes.mock.calls.length === 0) await new Promise(setImmediate)
    control.abort(new Error('the reader left'))
    await expect(run).rejects.toThrow('the reader left')
    await expect(chatBatch(model, conversations, { topP: 0 })).rejects.toThrow(/top_p: got 0/)
  })
})

describe('small random models', () => {
  const made: string[] = []
  afterAll(() => {
    for (const dir of made) rmSync(dir, { recursive: true })
  })
  const load = async (more: object) => {
    const dir = writeRandomModel({ ...smallConfig, vocab_size: 6000, prompt_bos: 'first', max_length: 120, ...more })
    made.push(dir)
    copyFileSync(join(nano, 'tokenizer.model'), join(dir, 'tokenizer.model'))
    return XComposer.load(dir, { threads: 1 })
  }
  const batch = [[user('hello')], [user('word '.repeat(20))], [user('What is this?', house)]]

  it('answer up to the end of their context', async () => {
    const small = await load({})
    try {
      const results = await expectAnswersOfAlone(small, batch, { maxNewTokens: 500 })
      expect(results.map(({ usage }) => usage.promptTokens + usage.completionTokens)).toContain(120)
    } finally {
      small.dispose()
    }
  })

  it('whose rotary tables depend on the length answer one after the other', async () => {
    const small = await load({ max_position_embeddings: 40, rope_scaling: { type: 'dynamic', factor: 2 } })
    try {
      const passes = vi.spyOn(small.decoder.sessions, 'passRows')
      await expectAnswersOfAlone(small, batch, { maxNewTokens: 20 })
      expect(passes).not.toHaveBeenCalled()
    } finally {
      small.dispose()
    }
  })
})
