/** The likeliest answers of a small random model against teacher forcing: the answer's ids put into a fresh sequence one by one. */
import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { logProbs } from '../../tests/support/random-logits.js'
import { smallConfig, writeRandomModel } from '../../tests/support/random-model.js'
import { liveHandles } from '../engine/index.js'
import { XComposer } from '../inference/xcomposer.js'
import { chat } from './chat.js'
import { encodeOpened } from './images.js'
import { type LikeliestAnswersOptions, likeliestAnswers } from './likeliest.js'
import type { ChatMessage } from './messages.js'
import { countTokens, openRequest } from './request.js'

const dir = writeRandomModel({ ...smallConfig, vocab_size: 6000, prompt_bos: 'first', max_length: 200 })
copyFileSync(fileURLToPath(new URL('../../models/nano/tokenizer.model', import.meta.url)), join(dir, 'tokenizer.model'))
let model: XComposer
let question: ChatMessage

beforeAll(async () => {
  model = await XComposer.load(dir, { threads: 1 })
  const bytes = await sharp({ create: { width: 20, height: 30, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  question = {
    role: 'user',
    content: [
      { type: 'image', image: { bytes, name: 'red.png' } },
      { type: 'text', text: 'What is this?' },
    ],
  }
})
afterAll(() => {
  model.dispose()
  rmSync(dir, { recursive: true })
  expect(liveHandles().byKind).toEqual({})
})

/** The probability of the ids and then of one of the ends, each id given those before it. */
async function forced(ids: readonly number[], ends: readonly number[]): Promise<number> {
  const { parts, images } = await openRequest(model, [question], {})
  const { logits, sequence } = await model.prefill(parts, await encodeOpened(model, images))
  try {
    let [probability, next] = [1, logits]
    for (const id of ids) {
      probability *= Math.exp(logProbs(next)[id] as number)
      next = await sequence.append([id])
    }
    return probability * ends.reduce((sum, id) => sum + Math.exp(logProbs(next)[id] as number), 0)
  } finally {
    sequence.dispose()
  }
}

it('have the probability that teacher forcing gives, likeliest first, each text once, and leave chat as it was', async () => {
  const alone = await chat(model, [question], { maxNewTokens: 6 }).result
  // Ends that the model often chooses: the ids of its own answer, so that there are likely complete answers.
  const stopIds = alone.ids.slice(2)
  const { answers } = await likeliestAnswers(model, [question], { count: 5, maxNewTokens: 6, stopIds })
  const { eosId, endOfTurnId } = model.tokenizer
  expect(answers).toHaveLength(5)
  expect(new Set(answers.map(({ text }) => text)).size).toBe(5)
  for (const [i, { ids, text, probability }] of answers.entries()) {
    expect(text).toBe(model.tokenizer.decode([...ids]).trim())
    const want = await forced(ids, [...new Set([eosId, endOfTurnId, ...stopIds])])
    // Another spelling of the same text may have been added.
    expect(probability).toBeGreaterThan(want * (1 - 1e-3))
    expect(probability).toBeLessThan(want * 1.05)
    expect(probability).toBeLessThanOrEqual(answers[i - 1]?.probability ?? 1)
  }
  expect((await chat(model, [question], { maxNewTokens: 6 }).result).ids).toEqual(alone.ids)
})

it('refuse what changes probabilities, and a count out of range', async () => {
  const hot = { temperature: 2 } as LikeliestAnswersOptions
  await expect(likeliestAnswers(model, [question], hot)).rejects.toThrow('"temperature" is not known here')
  await expect(likeliestAnswers(model, [question], { count: 0 })).rejects.toThrow('count: got 0')
})

it('are found up to the end of the context, where fewer may be complete', async () => {
  const long: ChatMessage = { role: 'user', content: 'a b '.repeat(90) }
  const { promptTokens } = await countTokens(model, [long])
  expect(model.contextLength - promptTokens).toBeLessThan(20)
  expect((await likeliestAnswers(model, [long], { count: 2 })).answers).toHaveLength(2)
  // One id: the end.
  const { answers, exact } = await likeliestAnswers(model, [long], { count: 2, maxNewTokens: 1 })
  expect(answers.map(({ ids }) => ids)).toEqual([[]])
  expect(exact).toBe(false)
})
