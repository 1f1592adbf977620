/** Answers in a format: nano itself, alone, in a batch and with speculation; what does not go together is refused. */
import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { packagedModel } from '../common/package-root.js'
import { liveHandles } from '../engine/index.js'
import { XComposer } from '../inference/xcomposer.js'
import { type AnswerFormat, type ChatMessage, type ChatOptions, chat } from './chat.js'
import { chatBatch } from './chat-batch.js'

const schema = {
  type: 'object',
  properties: {
    capital: { type: 'string', minLength: 1, maxLength: 20 },
    sure: { enum: ['quite', 'not , at all .'] },
    population: { type: 'integer', minimum: 1000, maximum: 99999999 },
    near: { type: 'array', items: { type: 'string', maxLength: 8 }, minItems: 1, maxItems: 2 },
  },
  required: ['capital', 'sure', 'population', 'near'],
  additionalProperties: false,
}
const format: AnswerFormat = { type: 'json_schema', schema }
const allows = new Ajv().compile(schema)
const question: ChatMessage[] = [{ role: 'user', content: 'What is the capital of France?' }]
const options: ChatOptions = { maxNewTokens: 100, format }

let model: XComposer
beforeAll(async () => {
  model = await XComposer.load(packagedModel, { threads: 1 })
})
afterAll(async () => {
  await model.dispose()
  expect(liveHandles().total).toBe(0)
})

describe('an answer of nano in a format', () => {
  it.each([
    ['greedy', {}],
    ['sampled', { temperature: 1.5, seed: 7 }],
    ['with a repetition penalty', { repetitionPenalty: 1.5 }],
  ])('%s fulfils its schema', async (_, more) => {
    const { text, finishReason } = await chat(model, question, { ...options, ...more }).result
    expect(finishReason).toBe('stop')
    expect(allows(JSON.parse(text)), text).toBe(true)
  })

  it('is the same with prompt lookup, and in a batch', async () => {
    const { text } = await chat(model, question, options).result
    expect((await chat(model, question, { ...options, lookup: true }).result).text).toBe(text)
    const both = await chatBatch(model, [question, question], options)
    expect(both.map((one) => one.text)).toEqual([text, text])
  })

  it('that its length cuts says so', async () => {
    const { text, finishReason } = await chat(model, question, { ...options, maxNewTokens: 4 }).result
    expect(finishReason).toBe('length')
    expect(() => JSON.parse(text)).toThrow()
    expect(text.startsWith('{')).toBe(true)
  })

  it('is an object where only JSON is asked for', async () => {
    const { text } = await chat(model, question, { maxNewTokens: 60, format: { type: 'json' } }).result
    expect(text.startsWith('{')).toBe(true)
  })

  it.each<[string, ChatOptions, RegExp]>([
    ['beams', { ...options, beams: 2 }, /without beams/],
    ['prefix', { ...options, prefix: '{' }, /without prefix/],
    ['stopIds', { ...options, stopIds: [5] }, /without stopIds/],
    ['a schema that nothing fulfils', { format: { type: 'json_schema', schema: false } }, /no JSON fulfils/],
    ['another type', { format: { type: 'xml' } as unknown as AnswerFormat }, /expected the type json or json_schema, got "xml"/],
    ['a text', { format: 'json' as unknown as AnswerFormat }, /expected the type json or json_schema/],
  ])('is refused with %s before anything runs', async (_, wrong, message) => {
    const answer = chat(model, question, wrong).result
    await expect(answer).rejects.toThrow(InputError)
    await expect(answer).rejects.toThrow(message)
  })
})
