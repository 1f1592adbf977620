/** The clients that people use, unchanged: OpenAI's and the Vercel AI SDK's. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { embed, generateText, streamText } from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FakeEngine, startServer, type TestServer } from '../../tests/support/http-server.js'
import { packagedModel, packageRoot } from '../common/package-root.js'
import { LocalEngine } from './engine/local-engine.js'

let server: TestServer
let engine: LocalEngine
let client: OpenAI
beforeAll(async () => {
  engine = new LocalEngine({ models: [packagedModel], threads: 1 })
  server = await startServer(engine, { apiKeys: ['first-key', 'key'] })
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'key', maxRetries: 0 })
})
afterAll(async () => {
  await server.close()
  await engine.close()
})

const bytes = readFileSync(join(packageRoot, 'examples', 'library', 'banana.webp'))
const url = `data:image/webp;base64,${bytes.toString('base64')}`
const text = 'What is the capital of Kenya?'
const asked: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: text }]
const seen: OpenAI.ChatCompletionMessageParam[] = [
  {
    role: 'user',
    content: [
      { type: 'image_url', image_url: { url, detail: 'low' } },
      { type: 'text', text: 'What is this?' },
    ],
  },
]

describe('the openai client', () => {
  it('chats about an image, whole and streamed', async () => {
    const whole = await client.chat.completions.create({ model: 'nano', messages: seen })
    const stream = await client.chat.completions.create({ model: 'nano', messages: seen, stream: true })
    let streamed = ''
    for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? ''
    expect(streamed).toBe(whole.choices[0]?.message.content)
    expect(whole.usage?.prompt_tokens).toBeGreaterThan(64)
  })

  it('gets several choices with log-probabilities', async () => {
    const { choices } = await client.chat.completions.create({
      model: 'nano',
      messages: asked,
      n: 2,
      seed: 3,
      temperature: 1,
      logprobs: true,
      top_logprobs: 2,
    })
    expect(choices.map(({ index }) => index)).toEqual([0, 1])
    for (const { logprobs } of choices) for (const { top_logprobs: top } of logprobs?.content ?? []) expect(top).toHaveLength(2)
  })

  it('gathers a stream by its own helper', async () => {
    const runner = client.chat.completions.stream({ model: 'nano', messages: asked, stream_options: { include_usage: true } })
    const { choices, usage } = await runner.finalChatCompletion()
    expect(choices[0]?.finish_reason).toBe('stop')
    expect(usage?.total_tokens).toBeGreaterThan(0)
  })

  it('gets responses, whole and streamed', async () => {
    const input: OpenAI.Responses.ResponseInput = [
      {
        role: 'user',
        content: [
          { type: 'input_image', image_url: url, detail: 'auto' },
          { type: 'input_text', text: 'What is this?' },
        ],
      },
    ]
    const whole = await client.responses.create({ model: 'nano', input })
    expect(whole.status).toBe('completed')
    let streamed = ''
    for await (const event of client.responses.stream({ model: 'nano', input }))
      if (event.type === 'response.output_text.delta') streamed += event.delta
    expect(streamed).toBe(whole.output_text)
  })

  it('gets embeddings, completions and models', async () => {
    const { data } = await client.embeddings.create({ model: 'nano', input: ['red', 'blue'] })
    expect(data.map(({ embedding }) => embedding.length)).toEqual([128, 128])
    const { choices } = await client.completions.create({ model: 'nano', prompt: 'The sky is', max_tokens: 4 })
    expect(choices).toHaveLength(1)
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['nano'])
  })

  it('reads errors with their fields', async () => {
    const error = await client.chat.completions
      .create({ model: 'nano', messages: asked, temperature: 5 })
      .catch((e: unknown) => e)
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ status: 400, param: 'temperature', type: 'invalid_request_error' })
    const wrong = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'ke', maxRetries: 0 })
    await expect(wrong.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
    await expect(client.chat.completions.create({ model: 'x', messages: asked })).rejects.toBeInstanceOf(OpenAI.NotFoundError)
  })

  it('stops a stream that it leaves', async () => {
    const stream = await client.chat.completions.create({ model: 'nano', messages: asked, stream: true })
    for await (const _ of stream) break
    stream.controller.abort()
    expect((await client.models.list()).data).toHaveLength(1)
  })
})

describe('the openai client with tools', () => {
  const tools: OpenAI.ChatCompletionTool[] = [
    {
      type: 'function',
      function: {
        name: 'weather',
        description: 'The weather.',
        parameters: { type: 'object', properties: { city: { type: 'string' } } },
      },
    },
  ]
  const call = [
    'Let me see. <|action_',
    'start|><|plugin|>\n{"name": "weather", ',
    '"parameters": {"city": "Nairobi"}}<|action_end|>',
  ]

  it('gets calls, streamed and whole, and brings their results', async () => {
    const fake = new FakeEngine(({ prompt }) => (prompt.kind === 'chat' && prompt.messages.length > 2 ? ['It is sunny.'] : call))
    const other = await startServer(fake)
    try {
      const api = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: 'none', maxRetries: 0 })
      const messages = [...asked]
      const { choices } = await api.chat.completions.create({ model: 'fake', messages, tools })
      expect(choices[0]).toMatchObject({
        finish_reason: 'tool_calls',
        message: { content: 'Let me see. ', tool_calls: [{ function: { name: 'weather', arguments: '{"city":"Nairobi"}' } }] },
      })
      const runner = api.chat.completions.stream({ model: 'fake', messages, tools })
      expect((await runner.finalMessage()).tool_calls).toMatchObject([
        { function: { name: 'weather', arguments: '{"city":"Nairobi"}' } },
      ])
      const said = choices[0]?.message as OpenAI.ChatCompletionMessage
      messages.push(said, { role: 'tool', tool_call_id: said.tool_calls?.[0]?.id ?? '', content: 'sunny' })
      const final = await api.chat.completions.create({ model: 'fake', messages, tools })
      expect(final.choices[0]?.message.content).toBe('It is sunny.')
      const last = fake.requests.at(-1)?.prompt
      expect(last).toMatchObject({
        messages: [
          { role: 'system', content: expect.stringContaining('"name":"weather"') },
          { role: 'user' },
          {
            role: 'assistant',
            content:
              'Let me see. <|action_start|><|plugin|>\n{"name": "weather", "parameters": {"city":"Nairobi"}}<|action_end|>',
          },
          { role: 'user', content: [{ type: 'text', text: '<|plugin|>\nsunny' }] },
        ],
      })
    } finally {
      await other.close()
    }
  })

  it('makes the engine write a call that is required', async () => {
    const fake = new FakeEngine(() => ['{"name": "weather", "parameters": {"city": "Oslo"}}'])
    const other = await startServer(fake)
    try {
      const api = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: 'none', maxRetries: 0 })
      const choice = { type: 'function' as const, function: { name: 'weather' } }
      const { choices } = await api.chat.completions.create({ model: 'fake', messages: asked, tools, tool_choice: choice })
      expect(choices[0]?.message).toMatchObject({ content: null, tool_calls: [{ function: { arguments: '{"city":"Oslo"}' } }] })
      expect(fake.requests[0]?.options.constraint).toMatchObject({
        kind: 'json_schema',
        schema: { properties: { name: { const: 'weather' } } },
      })
    } finally {
      await other.close()
    }
  })
})

describe('the AI SDK', () => {
  const provider = () =>
    createOpenAICompatible({ name: 'xcomposer', baseURL: `${server.url}/v1`, apiKey: 'key', includeUsage: true })
  const messages = [
    {
      role: 'user' as const,
      content: [
        { type: 'image' as const, image: bytes, mediaType: 'image/webp' },
        { type: 'text' as const, text: 'What is this?' },
      ],
    },
  ]

  it('generates and streams about an image', async () => {
    const model = provider()('nano')
    const whole = await generateText({ model, messages, maxRetries: 0 })
    const streamed = streamText({ model, messages, maxRetries: 0 })
    let said = ''
    for await (const piece of streamed.textStream) said += piece
    expect(said).toBe(whole.text)
    expect(whole.usage.inputTokens).toBe((await streamed.usage).inputTokens)
    expect(whole.finishReason).toBe('stop')
  })

  it('embeds', async () => {
    const { embedding } = await embed({ model: provider().textEmbeddingModel('nano'), value: 'red', maxRetries: 0 })
    expect(embedding).toHaveLength(128)
  })

  it('reads errors', async () => {
    const error = await generateText({ model: provider()('x'), prompt: text, maxRetries: 0 }).catch((e: unknown) => e)
    expect(String(error)).toContain('does not exist here')
  })
})
