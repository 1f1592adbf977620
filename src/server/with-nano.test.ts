/** What only the real model shows over HTTP: JSON that is enforced, calls of tools that must be made, and a look inside. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { CHAT } from '../../tests/support/http-server.js'
import { nanoServer } from '../../tests/support/nano-server.js'
import { lookInside } from '../chat/look-inside.js'
import { packagedModel, packageRoot } from '../common/package-root.js'
import { XComposer } from '../inference/xcomposer.js'

const nano = nanoServer()

const bytes = readFileSync(join(packageRoot, 'examples', 'library', 'red-apple.webp'))
const image_url = { url: `data:image/webp;base64,${bytes.toString('base64')}` }
const pictured = [
  {
    role: 'user',
    content: [
      { type: 'image_url', image_url },
      { type: 'text', text: 'What is this?' },
    ],
  },
]
const schema = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 12 },
    kind: { enum: ['fruit', 'animal'] },
    count: { type: 'integer', minimum: 1, maximum: 9 },
  },
  required: ['name', 'kind', 'count'],
  additionalProperties: false,
}
const isValid = new Ajv2020().compile(schema)

async function json(path: string, body: object): Promise<Record<string, unknown>> {
  const response = await nano.server.post(path, body)
  return (await response.json()) as Record<string, unknown>
}

describe('an answer in a format', () => {
  it.each([0, 1])('is JSON that the schema allows, about an image too, at temperature %d', async (temperature) => {
    for (const messages of [pictured, [{ role: 'user', content: 'Name one.' }]]) {
      const format = { type: 'json_schema', json_schema: { name: 'thing', schema, strict: true } }
      const { choices } = await json(CHAT, { messages, response_format: format, temperature, seed: 2, max_tokens: 300 })
      const [{ message, finish_reason: reason }] = choices as [{ message: { content: string }; finish_reason: string }]
      expect(reason).toBe('stop')
      expect(isValid(JSON.parse(message.content))).toBe(true)
    }
  })

  it('that cannot be kept is refused with its field', async () => {
    const format = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object', not: {} } } }
    const response = await nano.server.post(CHAT, { messages: pictured, response_format: format })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      error: { type: 'invalid_request_error', message: expect.stringMatching(/not/) },
    })
  })

  it('is a call of a tool where one must be called', async () => {
    const parameters = { type: 'object', properties: { city: { enum: ['Paris', 'Rome'] } }, required: ['city'] }
    const tools = [
      { type: 'function', function: { name: 'weather', parameters: { ...parameters, additionalProperties: false } } },
    ]
    const body = { messages: [{ role: 'user', content: 'Rome?' }], tools, tool_choice: 'required', max_tokens: 100 }
    const { choices } = await json(CHAT, body)
    const [{ message, finish_reason: reason }] = choices as [
      { message: { content: unknown; tool_calls: { function: { name: string; arguments: string } }[] }; finish_reason: string },
    ]
    expect(reason).toBe('tool_calls')
    expect(message.tool_calls[0]?.function.name).toBe('weather')
    expect(JSON.parse(message.tool_calls[0]?.function.arguments ?? '')).toEqual({ city: expect.stringMatching(/^(Paris|Rome)$/) })
  })
})

describe('a look inside', () => {
  it('is what the library gives, for its own answer and for one that is given', async () => {
    const model = await XComposer.load(packagedModel, { threads: 1 })
    const messages = [
      {
        role: 'user' as const,
        content: [
          { type: 'image' as const, image: new Uint8Array(bytes) },
          { type: 'text' as const, text: 'What is this?' },
        ],
      },
    ]
    for (const answer of [undefined, 'apple']) {
      const inside = await lookInside(model, messages, {
        ...(answer ? { answer } : {}),
        alternatives: 2,
        cacheScope: `${answer}`,
      })
      const given = await json('/v1/inside', { messages: pictured, alternatives: 2, ...(answer ? { answer } : {}) })
      const { usage: _, ...expected } = JSON.parse(JSON.stringify(inside)) as Record<string, unknown>
      expect(given).toMatchObject({ object: 'inside', model: 'nano', text: expected.text, finishReason: expected.finishReason })
      expect(given.tokens).toEqual(expected.tokens)
      expect(given.attention).toEqual(expected.attention)
      expect(given.adapterOff).toEqual(expected.adapterOff)
    }
    await model.dispose()
  })

  it('of an answer that is too long is refused', async () => {
    const response = await nano.server.post('/v1/inside', { messages: pictured, answer: 'apple '.repeat(5000) })
    expect(response.status).toBe(400)
  })
})
