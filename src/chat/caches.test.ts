/** What a model keeps between requests: whom it helps, whom it does not, and how much of it there is. */
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { packagedModel, packageRoot } from '../common/package-root.js'
import { liveHandles } from '../engine/index.js'
import type { LoadOptions } from '../inference/decoder-runtime.js'
import { VisionRuntime } from '../inference/vision-runtime.js'
import { XComposer } from '../inference/xcomposer.js'
import { cacheStatistics, clearCaches } from './caches.js'
import { type ChatMessage, type ChatOptions, chat } from './chat.js'

const loaded: XComposer[] = []
const load = async (options: LoadOptions = {}) => {
  const model = await XComposer.load(packagedModel, { threads: 1, ...options })
  loaded.push(model)
  return model
}
afterEach(() => void vi.restoreAllMocks())
afterAll(async () => {
  for (const model of loaded) await model.dispose()
  expect(liveHandles().byKind).toEqual({})
})

const house: ChatMessage = {
  role: 'user',
  content: [
    { type: 'image', image: join(packageRoot, 'examples', 'questions', 'emojione-house.png') },
    { type: 'text', text: 'What is this?' },
  ],
}
const user = (text: string): ChatMessage => ({ role: 'user', content: text })
const ask = (model: XComposer, messages: readonly ChatMessage[], options: ChatOptions = {}) =>
  chat(model, messages, { maxNewTokens: 12, ...options }).result
const visionPasses = () => vi.spyOn(VisionRuntime.prototype, 'encode')

describe('a follow-up question about the same image', () => {
  it('does no image work at all, and says what it took over', async () => {
    const model = await load()
    const first = await ask(model, [house])
    expect(first.usage.cachedTokens).toBe(0)
    const [vision, decoder] = [visionPasses(), vi.spyOn(model.decoder.sessions, 'pass')]
    const next = await ask(model, [house, { role: 'assistant', content: first.text }, user('Which colour is it?')])
    expect(vision).not.toHaveBeenCalled()
    expect(decoder.mock.calls.filter(([, , image]) => image)).toEqual([])
    expect(next.usage.cachedTokens).toBeGreaterThanOrEqual(first.usage.promptTokens)
    const computed = decoder.mock.calls[0]?.[0].tokens as number
    expect(next.usage.cachedTokens + computed).toBe(next.usage.promptTokens)
    expect(cacheStatistics(model)).toMatchObject({
      prefix: { entries: 1, hits: 1, misses: 1 },
      image: { entries: 1, hits: 1, misses: 1 },
    })
  })

  it('finds the image also while the first answer is being made', async () => {
    const model = await load()
    const vision = visionPasses()
    const answers = await Promise.all([1, 2, 3].map(() => ask(model, [house])))
    expect(vision).toHaveBeenCalledTimes(1)
    expect(answers.map(({ usage }) => usage.cachedTokens > 60)).toEqual([false, true, true])
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
  })
})

describe('requests of another scope', () => {
  it('share nothing, but have the same answer', async () => {
    const model = await load()
    const vision = visionPasses()
    const answers = []
    for (const cacheScope of ['a', 'b', 'a', undefined]) answers.push(await ask(model, [house], cacheScope ? { cacheScope } : {}))
    expect(vision).toHaveBeenCalledTimes(3)
    expect(answers.map(({ usage }) => usage.cachedTokens > 0)).toEqual([false, false, true, false])
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    const together = await Promise.all(['c', 'd'].map((cacheScope) => ask(model, [house], { cacheScope })))
    expect(together.map(({ usage }) => usage.cachedTokens)).toEqual([0, 0])
  })
})

describe('what is kept', () => {
  const questions = ['one', 'two', 'three', 'four', 'five'].map((word) => user(`${word} `.repeat(30)))

  it('is bounded in bytes: what was not used for longest goes first', async () => {
    const model = await load()
    for (const question of questions) await ask(model, [question])
    const { bytes, entries } = cacheStatistics(model).prefix
    expect(entries).toBe(questions.length)
    const small = await load({ prefixCacheBytes: (3 * bytes) / entries })
    const cached = async (i: number) => (await ask(small, [questions[i] as ChatMessage])).usage.cachedTokens > 16
    for (const i of [0, 1, 2]) expect(await cached(i)).toBe(false)
    expect(await cached(0)).toBe(true)
    expect(await cached(3)).toBe(false)
    expect(await cached(1)).toBe(false)
    expect(await cached(0)).toBe(true)
    const { prefix } = cacheStatistics(small)
    expect(prefix.entries).toBe(3)
    expect(prefix.bytes).toBe(prefix.maxBytes)
  })

  it('keeps a long dialogue when another one begins as it did', async () => {
    const model = await load()
    const long = [user(`${'word '.repeat(100)}What is the capital of Kenya?`)]
    const answer = await ask(model, long)
    await ask(model, [user(`${'word '.repeat(30)}What is the capital of France?`)])
    const next = await ask(model, [...long, { role: 'assistant', content: answer.text }, user('And of Japan?')])
    expect(next.usage.cachedTokens).toBeGreaterThanOrEqual(answer.usage.promptTokens)
  })

  it('is nothing where it is off', async () => {
    const model = await load({ prefixCacheBytes: 0, imageCacheBytes: 0 })
    const vision = visionPasses()
    const [first, again] = [await ask(model, [house]), await ask(model, [house])]
    expect(again).toMatchObject({ text: first.text, usage: { cachedTokens: 0 } })
    expect(vision).toHaveBeenCalledTimes(2)
    const { prefix, image } = cacheStatistics(model)
    for (const { entries, bytes, maxBytes, hits } of [prefix, image])
      expect([entries, bytes, maxBytes, hits]).toEqual([0, 0, 0, 0])
  })

  it('is forgotten when it is cleared, and its memory comes back', async () => {
    const model = await load()
    await ask(model, [questions[0] as ChatMessage])
    clearCaches(model)
    const { total } = liveHandles()
    await Promise.all([house, ...questions].map((message) => ask(model, [message])))
    expect(liveHandles().total).toBeGreaterThan(total)
    clearCaches(model)
    const { prefix, image } = cacheStatistics(model)
    expect([prefix.entries, prefix.bytes, image.entries, image.bytes]).toEqual([0, 0, 0, 0])
    expect(model.decoder.scheduler.pool.size.rows).toBe(0)
    // The sessions of images were opened meanwhile.
    await ask(model, [house])
    clearCaches(model)
    expect(model.decoder.living.size).toBe(0)
  })
})
