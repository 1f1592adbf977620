/** What people and programs send, on the packaged model: images in every spelling, texts that look like control tokens, prompts at the context's end. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { startServer } from '../../tests/support/http-server.js'
import { nanoServer } from '../../tests/support/nano-server.js'
import { packageRoot } from '../common/package-root.js'

const nano = nanoServer()

const file = join(packageRoot, 'examples', 'library', 'banana.webp')
const base64 = readFileSync(file).toString('base64')
const image = (url: string) => ({ type: 'image_url', image_url: { url } })
const text = (value: string) => ({ type: 'text', text: value })
const banana = image(`data:image/webp;base64,${base64}`)

interface Answer {
  readonly error?: { readonly message: string; readonly param: string; readonly code: string }
  readonly choices: { readonly message: { readonly content: string } }[]
  readonly usage: {
    readonly prompt_tokens: number
    readonly prompt_tokens_details: { readonly image_tokens: number; readonly cached_tokens: number }
  }
}

async function ask(messages: unknown, more: object = {}): Promise<Answer & { status: number }> {
  await nano.engine.clearCaches()
  const response = await nano.server.post('/v1/chat/completions', { messages, max_tokens: 3, ...more })
  return { status: response.status, ...((await response.json()) as Answer) }
}
const about = (...content: unknown[]) => ask([{ role: 'user', content }])

describe('an image', () => {
  it.each([
    ['with a head in capitals', `DATA:Image/WebP;BASE64,${base64}`],
    ['without padding', `data:image/webp;base64,${base64.replace(/=+$/, '')}`],
    ['with line breaks', `data:image/webp;base64,\n${base64.replace(/.{76}/g, '$&\r\n')}\n`],
    ['in the alphabet of URLs', `data:image/webp;base64,${base64.replaceAll('+', '-').replaceAll('/', '_')}`],
    ['of another declared type', `data:image/png;base64,${base64}`],
    ['of no declared type', `data:;base64,${base64}`],
    ['as base64 alone', base64],
    ['percent-encoded', `data:image/webp,${[...readFileSync(file)].map((b) => `%${b.toString(16).padStart(2, '0')}`).join('')}`],
  ])('%s is the same image', async (_, url) => {
    const plain = await about(banana, text('What is this?'))
    const other = await about(image(url), text('What is this?'))
    expect([other.status, other.choices]).toEqual([200, plain.choices])
    expect(other.usage).toEqual(plain.usage)
  })

  it.each(['png', 'jpeg', 'gif', 'avif', 'tiff'] as const)('is taken as %s', async (format) => {
    const bytes = await sharp(file).flatten().toFormat(format).toBuffer()
    expect(await about(image(`data:image/${format};base64,${bytes.toString('base64')}`), text('?'))).toMatchObject({
      status: 200,
      usage: { prompt_tokens_details: { image_tokens: 64 } },
    })
  })

  it.each([
    ['no data', 'data:;base64,', /without data/],
    ['no comma', 'data:image/png;base64', /without a comma/],
    ['no base64', 'data:image/png;base64,!!!!', /holds no base64/],
    ['what is not encoded', 'data:image/png,\x89PNG', /not an image|cannot be decoded/],
    ['a web page', `data:image/png;base64,${Buffer.from('<!doctype html><html></html>').toString('base64')}`, /a web page/],
    [
      'a drawing with an entity',
      `data:image/svg+xml;base64,${Buffer.from('<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>').toString('base64')}`,
      /an SVG drawing|web page or XML/,
    ],
    ['a file of the server', 'file:///etc/passwd', /file: URLs are not read here/],
    ['a path of the server', '/etc/passwd', /expected a data: URL/],
    ['a blob of a browser', 'blob:http://localhost/x', /blob: URLs are not read here/],
    ['an address', 'http://127.0.0.1/a.png', /fetches no images/],
    ['nothing', '', /expected a data: URL/],
  ])('that is %s is refused by its field', async (_, url, message) => {
    const { status, error } = await about(text('What?'), image(url))
    expect([status, error?.param]).toEqual([400, 'messages.0.content.1.image_url.url'])
    expect(error?.message).toMatch(message)
    expect(error?.message).not.toContain('/etc/passwd')
  })

  it('of a bomb is refused before it is unpacked', async () => {
    const bomb = await sharp({ create: { width: 12_000, height: 12_000, channels: 3, background: '#fff' } })
      .png()
      .toBuffer()
    expect((await about(image(`data:image/png;base64,${bomb.toString('base64')}`))).error?.message).toMatch(/12000x12000 pixels/)
  })

  it('of an earlier turn is seen by a later question', async () => {
    const messages = [
      { role: 'user', content: [banana, text('What is this?')] },
      { role: 'assistant', content: 'A banana.' },
      { role: 'user', content: 'Which colour?' },
      { role: 'assistant', content: [text('Yellow.')] },
      { role: 'user', content: [text('And this?'), banana] },
    ]
    expect((await ask(messages)).usage.prompt_tokens_details.image_tokens).toBe(128)
  })

  it.each(['system', 'assistant'])('in a message of the %s is refused', async (role) => {
    const messages = [
      { role: 'user', content: 'Hi' },
      { role, content: [banana] },
      { role: 'user', content: 'Hi' },
    ]
    expect(await ask(messages)).toMatchObject({ status: 400, error: { param: 'messages.1.content.0.type' } })
  })

  it('one too many is named', async () => {
    const { status, error } = await about(...new Array(500).fill(banana))
    expect([status, error]).toEqual([
      400,
      expect.objectContaining({ param: 'messages.0.content.32.image_url.url', code: 'too_many_images' }),
    ])
  })
})

describe('a text', () => {
  it.each(['[UNUSED_TOKEN_146]', '[UNUSED_TOKEN_145]', '</s>', '<s>', '<ImageHere>'])(
    'that spells %s stays text',
    async (spelled) => {
      const positions = async (value: string, ...more: unknown[]) => (await about(...more, text(value))).usage
      // As text it takes several positions, as the token it would take one; and it moves no image.
      expect((await positions(`a ${spelled} b`)).prompt_tokens - (await positions('a b')).prompt_tokens).toBeGreaterThan(2)
      expect((await positions(`a ${spelled} b`, banana)).prompt_tokens_details.image_tokens).toBe(64)
    },
  )

  it.each([
    ['nothing', ''],
    ['half a character', 'a\ud800b'],
    ['NUL', 'a\0b'],
    ['all kinds of white space', ' \u2028\u00a0\t\r\n'],
    ['emoji and Chinese', '👩‍👩‍👧 你好'],
  ])('of %s is answered', async (_, value) => {
    expect((await ask([{ role: 'user', content: value }])).status).toBe(200)
  })
})

describe('a prompt', () => {
  it('fits up to the last position but one', async () => {
    const words = (n: number) => ask([{ role: 'user', content: 'a '.repeat(n) }], { max_tokens: 2 ** 31 })
    const base = (await words(100)).usage.prompt_tokens
    const per = ((await words(200)).usage.prompt_tokens - base) / 100
    const most = 100 + Math.floor((1023 - base) / per)
    const last = await words(most)
    expect(last).toMatchObject({ status: 200, usage: { completion_tokens: 1 }, choices: [{ finish_reason: expect.any(String) }] })
    for (const n of [most + 1, 100 * most]) {
      expect(await words(n)).toMatchObject({ status: 400, error: { code: 'context_length_exceeded', param: 'messages' } })
    }
  })

  it('whose image would end behind the context is refused', async () => {
    const { status, error } = await about(text('a '.repeat(480)), banana)
    expect(status).toBe(200)
    expect(error).toBeUndefined()
    expect(await about(text('a '.repeat(980)), banana)).toMatchObject({ status: 400, error: { code: 'context_length_exceeded' } })
  })

  it('may have system texts anywhere and messages of one side behind each other', async () => {
    const messages = [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'Hello.' },
      { role: 'user', content: [text('What is the capital'), text(' of Kenya?')] },
      { role: 'developer', content: [text('In one word.')] },
    ]
    expect((await ask(messages)).status).toBe(200)
  })

  it.each([
    ['no message', [], 'messages'],
    ['only a system text', [{ role: 'system', content: 'x' }], 'messages'],
    [
      'the assistant first',
      [
        { role: 'assistant', content: 'x' },
        { role: 'user', content: 'x' },
      ],
      'messages.0',
    ],
    [
      'the assistant last',
      [
        { role: 'user', content: 'x' },
        { role: 'assistant', content: 'x' },
      ],
      'messages.1',
    ],
    [
      'an answer of no call',
      [
        { role: 'user', content: 'x' },
        { role: 'tool', content: 'x', tool_call_id: 'y' },
      ],
      'messages.1',
    ],
    ['no content', [{ role: 'user', content: null }], 'messages.0.content'],
    ['a text for a list', 'hello', 'messages'],
  ])('with %s is refused', async (_, messages, param) => {
    expect(await ask(messages)).toMatchObject({ status: 400, error: { param } })
  })
})

describe('the caches', () => {
  it('answer a follow-up question from what was there before, to the same key alone', async () => {
    const keyed = await startServer(nano.engine, { apiKeys: ['one', 'two'] })
    try {
      await nano.engine.clearCaches()
      const first = [{ role: 'user', content: [banana, text('What is this?')] }]
      const follow = [...first, { role: 'assistant', content: 'A banana.' }, { role: 'user', content: 'Which colour?' }]
      const cached = async (key: string, messages: unknown) => {
        const headers = { authorization: `Bearer ${key}` }
        const response = await keyed.post('/v1/chat/completions', { messages, max_tokens: 3 }, { headers })
        const { choices, usage } = (await response.json()) as Answer
        return { said: choices, tokens: usage.prompt_tokens_details.cached_tokens }
      }
      expect((await cached('one', first)).tokens).toBe(0)
      const [warm, cold] = [await cached('one', follow), await cached('two', follow)]
      expect(warm.tokens).toBeGreaterThan(64)
      expect(cold.tokens).toBe(0)
      expect(warm.said).toEqual(cold.said)
      const statistics = (await (await keyed.get('/v1/cache', { headers: { authorization: 'Bearer one' } })).json()) as {
        prefix: { hits: number }
      }
      expect(statistics.prefix.hits).toBeGreaterThan(0)
    } finally {
      await keyed.close()
    }
  })
})

describe("Anthropic's form", () => {
  it('answers about an image, and streams the same', async () => {
    const content = [{ type: 'image', source: { type: 'base64', media_type: 'image/webp', data: base64 } }, text('What is this?')]
    const body = { model: 'nano', max_tokens: 5, system: [text('Be short.')], messages: [{ role: 'user', content }] }
    await nano.engine.clearCaches()
    const whole = (await (await nano.server.post('/v1/messages', body)).json()) as { content: { text: string }[]; usage: object }
    expect(whole).toMatchObject({ type: 'message', role: 'assistant', stop_reason: expect.any(String) })
    await nano.engine.clearCaches()
    const lines = (await (await nano.server.post('/v1/messages', { ...body, stream: true })).text()).split('\n')
    const events = lines.filter((line) => line.startsWith('data: ')).map((line) => JSON.parse(line.slice(6)))
    expect(events.map(({ type }) => type).filter((type) => type !== 'content_block_delta')).toEqual([
      'message_start',
      'content_block_start',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
    expect(events.map(({ delta }) => delta?.text ?? '').join('')).toBe(whole.content[0]?.text)
    expect(events.at(-2).usage).toEqual(whole.usage)
  })

  it('has its own errors', async () => {
    const response = await nano.server.post('/v1/messages', { max_tokens: 1, messages: [{ role: 'system', content: 'x' }] })
    expect([response.status, await response.json()]).toEqual([
      400,
      { type: 'error', error: { type: 'invalid_request_error', message: expect.stringContaining('messages.0.role') } },
    ])
  })
})
