/** Every response and stream event is what OpenAI's published description says, over a real socket and the packaged model. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readEvents } from '../../tests/support/http-server.js'
import { nanoServer } from '../../tests/support/nano-server.js'
import { descriptions } from '../../tests/support/openai-schemas.js'
import { packageRoot } from '../common/package-root.js'

const nano = nanoServer()

const picture = readFileSync(join(packageRoot, 'examples', 'library', 'banana.webp')).toString('base64')
const image = { type: 'image_url', image_url: { url: `data:image/webp;base64,${picture}` } }
const question = [{ role: 'user', content: 'What is the capital of Kenya?' }]
const seen = [{ role: 'user', content: [image, { type: 'text', text: 'What is this?' }] }]
const validators = descriptions()

/** Errors of all descriptions. */
const errors = (schema: string, value: unknown) => validators.flatMap(([, validate]) => validate(schema, value))

// Without what caches remember, counts are the same whoever asked before.
async function answer(path: string, body: object): Promise<Record<string, unknown>> {
  await nano.engine.clearCaches()
  const response = await nano.server.post(path, body)
  const value = (await response.json()) as Record<string, unknown>
  expect([response.status, value]).toEqual([200, expect.anything()])
  return value
}

async function stream(path: string, body: object) {
  await nano.engine.clearCaches()
  const response = await nano.server.post(path, { ...body, stream: true })
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
  return readEvents(response)
}

it('the validators find what is wrong', () => {
  expect(validators.length).toBeGreaterThan(0)
  expect(errors('CreateChatCompletionResponse', { id: 'x' })).not.toEqual([])
  expect(errors('ResponseStreamEvent', { type: 'response.created' })).not.toEqual([])
})

describe('/v1/chat/completions', () => {
  it.each([
    ['a question', { messages: question }],
    ['an image', { messages: seen, max_tokens: 4 }],
    [
      'several choices with log-probabilities',
      { messages: question, n: 3, seed: 7, temperature: 1, logprobs: true, top_logprobs: 3 },
    ],
    ['a length', { messages: question, max_completion_tokens: 1 }],
  ])('answers %s', async (_, body) => {
    const value = await answer('/v1/chat/completions', body)
    expect(errors('CreateChatCompletionResponse', value)).toEqual([])
  })

  it.each([
    ['a question', { messages: question, stream_options: { include_usage: true } }],
    ['an image', { messages: seen, max_tokens: 4 }],
    [
      'several choices with log-probabilities',
      { messages: question, n: 2, seed: 7, temperature: 1, logprobs: true, top_logprobs: 3 },
    ],
  ])('streams %s', async (_, body) => {
    const events = await stream('/v1/chat/completions', body)
    expect(events.pop()?.data).toBe('[DONE]')
    for (const { data } of events) expect(errors('CreateChatCompletionStreamResponse', data)).toEqual([])
  })

  it('streams what it answers, and counts the same', async () => {
    const whole = await answer('/v1/chat/completions', { messages: seen })
    const events = await stream('/v1/chat/completions', { messages: seen, stream_options: { include_usage: true } })
    const chunks = events.slice(0, -1).map(({ data }) => data as { choices: { delta: { content?: string } }[]; usage?: unknown })
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
    expect(text).toBe((whole as { choices: { message: { content: string } }[] }).choices[0]?.message.content)
    expect(chunks.at(-1)?.usage).toEqual(whole.usage)
    expect(whole.usage).toMatchObject({
      prompt_tokens_details: { image_tokens: 64, cached_tokens: expect.any(Number) },
      images: [{ width: 64, height: 64, tokens: 64 }],
    })
  })

  it('gives the same choices for the same seed', async () => {
    const body = { messages: question, n: 3, seed: 2 ** 40 + 5, temperature: 1.5, max_tokens: 8 }
    const texts = async () =>
      ((await answer('/v1/chat/completions', body)).choices as { message: object }[]).map(({ message }) => message)
    const first = await texts()
    expect(await texts()).toEqual(first)
    expect(new Set(first.map((one) => JSON.stringify(one))).size).toBeGreaterThan(1)
  })
})

describe('/v1/responses', () => {
  const input = [
    {
      role: 'user',
      content: [
        { type: 'input_image', image_url: image.image_url.url, detail: 'low' },
        { type: 'input_text', text: 'What is this?' },
      ],
    },
  ]

  it.each([
    ['a text', { input: 'What is the capital of Kenya?' }],
    [
      'an image',
      { input, instructions: 'Answer in a word.', temperature: 0, top_p: 0.9, max_output_tokens: 4, metadata: { a: 'b' } },
    ],
    ['log-probabilities', { input: 'Name a colour.', top_logprobs: 2, include: ['message.output_text.logprobs'] }],
    [
      'tools',
      {
        input: 'Hello',
        tools: [{ type: 'function', name: 'look', parameters: { type: 'object', properties: {} }, strict: true }],
      },
    ],
  ])('answers and streams %s', async (_, body) => {
    const whole = await answer('/v1/responses', body)
    expect(errors('Response', whole)).toEqual([])
    const events = await stream('/v1/responses', body)
    for (const { name, data } of events) {
      expect(errors('ResponseStreamEvent', data)).toEqual([])
      expect((data as { type: string }).type).toBe(name)
    }
    expect(events.map(({ data }) => (data as { sequence_number: number }).sequence_number)).toEqual(events.map((_, i) => i))
    const last = events.at(-1)?.data as { response: { output: { content: object[] }[]; usage: object } }
    expect(last.response.output[0]?.content).toEqual((whole.output as { content: object[] }[])[0]?.content)
    expect(last.response.usage).toEqual(whole.usage)
  })
})

describe('/v1/completions', () => {
  it.each([
    ['a text', { prompt: 'The sky is', max_tokens: 4 }],
    ['two texts twice', { prompt: ['The sky is', 'Grass is'], n: 2, seed: 1, logprobs: 2, max_tokens: 3 }],
  ])('continues and streams %s', async (_, body) => {
    const whole = await answer('/v1/completions', body)
    expect(errors('CreateCompletionResponse', whole)).toEqual([])
    const events = await stream('/v1/completions', { ...body, stream_options: { include_usage: true } })
    expect(events.pop()?.data).toBe('[DONE]')
    for (const { data } of events) {
      // The description has no null here, though OpenAI's own streams say it of every piece but the last.
      const choices = (data as { choices: object[] }).choices.map((one) => ({ ...one, finish_reason: 'stop' }))
      expect(errors('CreateCompletionResponse', { ...(data as object), choices })).toEqual([])
    }
    const texts = (whole.choices as { text: string }[]).map(({ text }) => text)
    const streamed = texts.map(() => '')
    for (const { data } of events)
      for (const { index, text } of (data as { choices: { index: number; text: string }[] }).choices) streamed[index] += text
    expect(streamed).toEqual(texts)
  })
})

describe('/v1/embeddings', () => {
  it('gives vectors of length 1 for texts, tokens and images, the same in both encodings', async () => {
    const body = { input: ['a red apple', [5, 6, 7], image] }
    const value = await answer('/v1/embeddings', body)
    expect(errors('CreateEmbeddingResponse', value)).toEqual([])
    const vectors = (value.data as { embedding: number[] }[]).map(({ embedding }) => embedding)
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
    const coded = await answer('/v1/embeddings', { ...body, encoding_format: 'base64' })
    const decoded = (coded.data as { embedding: string }[]).map(({ embedding }) => {
      const bytes = Buffer.from(embedding, 'base64')
      return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i))
    })
    expect(decoded).toEqual(vectors)
  })
})

describe('/v1/models', () => {
  it('says what a model can do', async () => {
    const list = (await (await nano.server.get('/v1/models')).json()) as { data: object[] }
    expect(errors('ListModelsResponse', list)).toEqual([])
    expect(list.data[0]).toMatchObject({ id: 'nano', capabilities: { vision: true } })
    const one = await (await nano.server.get('/v1/models/nano')).json()
    expect(errors('Model', one)).toEqual([])
    expect(one).toEqual(list.data[0])
  })
})

describe('errors', () => {
  it.each([
    ['/v1/chat/completions', { messages: [{ role: 'admin', content: 'x' }] }, 400, 'messages.0.role'],
    [
      '/v1/chat/completions',
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,aGVsbG8gd29ybGQ=' } }] },
        ],
      },
      400,
      'messages.0.content.0.image_url.url',
    ],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: 'word '.repeat(2000) }] }, 400, 'messages'],
    [
      '/v1/responses',
      { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'data:image/png;base64,AAAA' }] }], stream: true },
      400,
      'input.0.content.0.image_url',
    ],
    ['/v1/completions', { prompt: 5 }, 400, 'prompt'],
    ['/v1/embeddings', { input: [[99_999_999]] }, 400, 'input'],
    ['/v1/chat/completions', { model: 'gpt-4o', messages: question }, 404, 'model'],
  ])('of %s name the field (%#)', async (path, body, status, param) => {
    const response = await nano.server.post(path, body)
    const value = (await response.json()) as { error: object }
    expect([response.status, value.error]).toEqual([status, expect.objectContaining({ param })])
    expect(errors('ErrorResponse', value)).toEqual([])
  })
})
