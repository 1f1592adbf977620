/** Ten thousand requests that are wrong in some way: each gets one answer, none of them is the server's fault, and nothing is left of them. */
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { FakeEngine, startServer, type TestServer, until } from '../../tests/support/http-server.js'
import { type Random, random as seeded } from '../common/random.js'

const IN_PROCESS = 9500
const BY_SOCKET = 500

let server: TestServer
const errors: string[] = []
beforeAll(async () => {
  server = await startServer(new FakeEngine(), {
    maxBodyBytes: 200_000,
    log: (level, message, fields) => {
      if (level === 'error') errors.push(`${message} ${JSON.stringify(fields)}`)
    },
  })
})
afterAll(() => server.close())

const image = `data:image/png;base64,${'iVBORw0KGgo'.repeat(4)}`
/** Requests that are right, for each endpoint. */
const valid: readonly (readonly [path: string, body: object])[] = [
  [
    '/v1/chat/completions',
    {
      model: 'fake',
      messages: [
        { role: 'system', content: 'Be short.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What?' },
            { type: 'image_url', image_url: { url: image, detail: 'low' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look', arguments: '{}' } }],
        },
        { role: 'tool', content: 'seen', tool_call_id: 'c1' },
      ],
      n: 2,
      stop: ['x'],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 5,
      seed: 1,
      max_tokens: 5,
      logprobs: true,
      top_logprobs: 2,
      logit_bias: { 5: 1 },
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' } } },
      tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }],
      tool_choice: 'auto',
      stream: false,
    },
  ],
  [
    '/v1/responses',
    {
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'a' },
            { type: 'input_image', image_url: image },
          ],
        },
      ],
      instructions: 'x',
      max_output_tokens: 5,
      text: { format: { type: 'json_object' } },
      tools: [{ type: 'function', name: 'look', parameters: {} }],
      metadata: { a: 'b' },
    },
  ],
  ['/v1/completions', { prompt: ['a', 'b'], max_tokens: 3, logprobs: 1, n: 2, seed: 5 }],
  ['/v1/embeddings', { input: ['a', [1, 2], { type: 'image_url', image_url: { url: image } }], encoding_format: 'base64' }],
  [
    '/v1/messages',
    {
      max_tokens: 5,
      system: [{ type: 'text', text: 'x' }],
      messages: [
        {
          role: 'user',
          content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: image.split(',')[1] } }],
        },
      ],
      tools: [{ name: 'look', input_schema: { type: 'object' } }],
      tool_choice: { type: 'auto' },
      stop_sequences: ['x'],
    },
  ],
]

const hostile: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  -0,
  2 ** 53,
  '',
  'x',
  '\0',
  '\ud800',
  '__proto__',
  'constructor',
  'x'.repeat(5000),
  'data:,',
  'data:image/png;base64,!',
  'http://[::1]:80/',
  'file:///etc/passwd',
  [],
  {},
  [[]],
  [null],
  { type: 'text' },
  { role: 'user' },
  { length: 1e9 },
  { toString: 1, valueOf: null, hasOwnProperty: 0 },
  JSON.parse('{"__proto__": {"role": "system"}}') as unknown,
  new Array(300).fill('x'),
]

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

const oneOf = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)] as T

/** Changes one or a few places of a value. */
function mutated(random: Random, value: object): string {
  const copy = structuredClone(value) as Json
  for (let changes = 1 + random.below(3); changes > 0; changes--) change(random, copy)
  return JSON.stringify(copy)
}

function change(random: Random, root: Json): void {
  let at = root
  for (;;) {
    if (typeof at !== 'object' || at === null) return
    const keys = Object.keys(at)
    const key = keys.length === 0 ? 'new' : oneOf(random, keys)
    const holder = at as Record<string, Json>
    const inner = holder[key]
    if (typeof inner === 'object' && inner !== null && random.next() < 0.7) {
      at = inner
      continue
    }
    const kind = random.next()
    if (kind < 0.15) delete holder[key]
    else if (kind < 0.2)
      holder[JSON.stringify(oneOf(random, hostile)).slice(0, 50)] = structuredClone(oneOf(random, hostile)) as Json
    else holder[key] = structuredClone(oneOf(random, hostile)) as Json
    return
  }
}

/** A body that is wrong as JSON too, now and then. */
function malformedBody(random: Random): { path: string; body: string } {
  const [path, value] = oneOf(random, valid)
  const text = mutated(random, value)
  const kind = random.next()
  if (kind < 0.75) return { path, body: text }
  const cut = random.below(text.length)
  if (kind < 0.85) return { path, body: text.slice(0, cut) }
  if (kind < 0.95)
    return { path, body: text.slice(0, cut) + oneOf(random, ['"', '{', ']', ',', '\\u', '\x01', '1e999', '𝄞']) + text.slice(cut) }
  const depth = random.below(1000)
  return { path, body: `${'{"messages":['.repeat(depth)}${text}` }
}

it('malformed requests are refused one by one, and leave nothing', async () => {
  const random = seeded(15)
  const counts = new Map<number, number>()
  for (let i = 0; i < IN_PROCESS; i++) {
    const { path, body } = malformedBody(random)
    const method = random.next() < 0.97 ? 'POST' : oneOf(random, ['PUT', 'DELETE', 'PATCH'])
    const headers = {
      host: random.next() < 0.99 ? 'localhost' : 'evil.example',
      'content-type': random.next() < 0.98 ? 'application/json' : 'text/plain',
    }
    const response = await server.app.hono.request(random.next() < 0.99 ? path : `${path}/%00`, { method, headers, body })
    counts.set(response.status, (counts.get(response.status) ?? 0) + 1)
    const text = await response.text()
    if (response.status === 200) continue
    const { error } = JSON.parse(text) as { error: { message: string; type: string } }
    if (response.status >= 500 || typeof error?.message !== 'string' || error.message.includes('\n'))
      throw new Error(`${response.status} for ${body.slice(0, 300)}: ${text.slice(0, 300)} ${errors}`)
  }
  expect(errors).toEqual([])
  expect([...counts.keys()].sort()).toEqual([200, 400, 403, 404, 405, 415])
  // Most are wrong, and some changes are harmless.
  expect(counts.get(400)).toBeGreaterThan(IN_PROCESS / 2)
  expect(counts.get(200)).toBeGreaterThan(IN_PROCESS / 50)
  expect([server.app.active, server.app.server.admission.running, server.app.server.admission.waiting]).toEqual([0, 0, 0])
}, 300_000)

it('malformed bytes are answered or cut off, and everybody else is served on', async () => {
  const random = seeded(16)
  const send = (bytes: Buffer) =>
    new Promise<string>((resolve) => {
      let text = ''
      const socket = connect(server.listening.port, '127.0.0.1', () => socket.end(bytes))
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1')
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(text))
    })
  for (let batch = 0; batch < BY_SOCKET; batch += 25) {
    const answers = Array.from({ length: 25 }, () => {
      const { path, body } = malformedBody(random)
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`
      const bytes = Buffer.from(head + body)
      for (let flips = random.below(4); flips > 0; flips--) bytes[random.below(bytes.length)] = random.below(256)
      return send(bytes)
    })
    for (const text of await Promise.all(answers)) expect(text).not.toMatch(/^HTTP\/1.1 5/)
  }
  await until(() => server.app.active === 0)
  expect(errors).toEqual([])
  expect((await server.post('/v1/chat/completions', { messages: [{ role: 'user', content: 'Hi' }] })).status).toBe(200)
})
