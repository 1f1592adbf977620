/** Requests that are wrong, too large or odd, and what right ones ask of the engine. */
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { CHAT, endless, FakeEngine, fakeModel, question, raw, servers, until } from '../../tests/support/http-server.js'

const start = servers()

describe('a request', () => {
  it.each([
    ['nested 10,000 deep', `{"messages":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, 400, /nested deeper than 100/],
    ['that is no JSON', '{"messages": [', 400, /not JSON/],
    ['that is empty', '', 400, /not JSON/],
    ['that is a list', '[]', 400, /the body: expected object/],
    ['that is null', 'null', 400, /the body: expected object/],
    ['with numbers that are none', '{"messages":[{"role":"user","content":"x"}],"temperature":NaN}', 400, /not JSON/],
  ])('%s is refused', async (_, body, status, message) => {
    const server = await start()
    const response = await server.post(CHAT, body)
    expect([response.status, ((await response.json()) as { error: { message: string } }).error.message]).toEqual([
      status,
      expect.stringMatching(message),
    ])
  })

  it.each([
    ['n', 1e9],
    ['n', 0],
    ['max_tokens', -1],
    ['max_tokens', 0],
    ['max_tokens', 1.5],
    ['temperature', -1],
    ['temperature', 1e9],
    ['top_p', -0.1],
    ['top_p', 1.1],
    ['top_k', 1.5],
    ['seed', 'x'],
    ['stop', Array.from({ length: 17 }, (_, i) => `x${i}`)],
    ['stop', ['']],
    ['logit_bias', { x: 1 }],
    ['logit_bias', { 1: 101 }],
    ['stream', 'yes'],
    ['top_logprobs', 21],
    ['response_format', { type: 'xml' }],
    ['tools', [{ type: 'function', function: { name: 'a b' } }]],
    ['tool_choice', 'required'],
    ['frequency_penalty', 1],
    ['functions', [{ name: 'x' }]],
  ])('with %s = %j is refused by that field', async (name, value) => {
    const server = await start()
    const response = await server.post(CHAT, { ...question, [name]: value })
    const { error } = (await response.json()) as { error: { param: string } }
    expect([response.status, error.param.split('.')[0]]).toEqual([400, name])
  })

  it('with fields that are unknown, null or the prototype of everything is answered', async () => {
    const engine = new FakeEngine()
    const server = await start(engine)
    const odd =
      '"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"unheard_of":[1],"user":"me","temperature":null,"stop":null'
    const response = await server.post(
      CHAT,
      `{"messages":[{"role":"user","content":"a","__proto__":{"role":"system"}}],"n":5,"n":1,${odd}}`,
    )
    expect(response.status).toBe(200)
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    expect(((await response.json()) as { choices: object[] }).choices).toHaveLength(1)
    expect(engine.requests[0]?.prompt).toMatchObject({ messages: [{ role: 'user' }] })
  })

  it('of a text far beyond the context is refused before it becomes tokens', async () => {
    const server = await start(new FakeEngine(), { maxBodyBytes: 60_000_000 })
    const response = await server.post(CHAT, { messages: [{ role: 'user', content: 'x'.repeat(50_000_000) }] })
    expect([response.status, await response.json()]).toEqual([
      400,
      { error: expect.objectContaining({ code: 'context_length_exceeded', param: 'messages' }) },
    ])
  })

  it('with an image for a model that does not see is refused', async () => {
    const engine = new FakeEngine()
    engine.models = [{ ...fakeModel, vision: false }]
    const server = await start(engine)
    const content = [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }]
    expect(await (await server.post(CHAT, { messages: [{ role: 'user', content }] })).json()).toMatchObject({
      error: { param: 'messages.0.content.0.image_url.url', message: expect.stringContaining('takes no images') },
    })
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', ''])(
    'of the type "%s" is refused',
    async (type) => {
      const server = await start()
      expect((await server.post(CHAT, question, { headers: { 'content-type': type } })).status).toBe(415)
    },
  )

  it('to an unknown address or by another method is an error in JSON', async () => {
    const server = await start()
    expect((await server.get('/v1/nothing')).status).toBe(404)
    const wrong = await server.get(CHAT)
    expect([wrong.status, await wrong.json()]).toEqual([
      405,
      { error: expect.objectContaining({ message: expect.stringContaining('expected POST') }) },
    ])
  })
})

describe('a body', () => {
  it('that is too large is refused, whatever it says of its length', async () => {
    const server = await start(new FakeEngine(), { maxBodyBytes: 1000 })
    expect((await server.post(CHAT, 'x'.repeat(2000))).status).toBe(413)
    const chunk = `3e8\r\n${'x'.repeat(1000)}\r\n`
    const head = `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
    expect(await raw(server, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}${chunk}`, /413/)).toMatch(
      /^HTTP\/1.1 413/,
    )
    // Two lengths are an attack on proxies: node refuses them.
    expect(await raw(server, `${head}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n${chunk}0\r\n\r\n`, /400/)).toMatch(
      /^HTTP\/1.1 400/,
    )
    expect((await server.post(CHAT, question)).status).toBe(200)
  })

  it('that ends before its length is given up', async () => {
    const server = await start()
    const head = `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`
    const socket = connect(server.listening.port, '127.0.0.1', () => socket.write(head))
    await until(() => server.app.active === 1)
    socket.destroy()
    await until(() => server.app.active === 0)
  })

  it('of many clients together has a limit', async () => {
    const server = await start(new FakeEngine(endless), { maxBodyBytes: 10_000, maxBodiesBytes: 15_000, slots: 2 })
    const leaving = new AbortController()
    const large = { messages: [{ role: 'user', content: 'x'.repeat(9000) }] }
    server.post(CHAT, large, { signal: leaving.signal }).catch(() => {})
    await until(() => server.app.server.admission.running === 1)
    expect((await server.post(CHAT, large)).status).toBe(429)
    leaving.abort()
    await until(() => server.app.active === 0)
  })
})

describe('a connection', () => {
  it('that sends a header at a time is closed', async () => {
    const server = await start(new FakeEngine(), {}, { headersTimeoutMs: 200 })
    const began = performance.now()
    expect(await raw(server, `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nX-A: `)).toMatch(/^(HTTP\/1.1 408|$)/)
    expect(performance.now() - began).toBeLessThan(5000)
  })

  it('with a megabyte of headers is refused', async () => {
    const server = await start()
    expect(await raw(server, `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ${'a'.repeat(2 ** 20)}\r\n\r\n`)).toMatch(
      /^(HTTP\/1.1 431|$)/,
    )
  })

  it('with a request that is no HTTP is refused', async () => {
    const server = await start()
    expect(await raw(server, 'hello\r\n\r\n')).toMatch(/^HTTP\/1.1 400/)
    expect((await server.get('/healthz')).status).toBe(200)
  })
})

describe('what the engine is asked', () => {
  it('is one view of an image of low detail, and what the model has of others', async () => {
    const engine = new FakeEngine()
    const server = await start(engine)
    const url = 'data:image/png;base64,AAAA'
    const content = (['low', 'high', 'auto', undefined] as const).map((detail) => ({
      type: 'image_url',
      image_url: { url, ...(detail ? { detail } : {}) },
    }))
    expect((await server.post(CHAT, { messages: [{ role: 'user', content }] })).status).toBe(200)
    const { prompt } = engine.requests[0] as unknown as {
      prompt: { messages: readonly { content: readonly { maxTiles?: number }[] }[] }
    }
    const tiles = prompt.messages.flatMap((message) => message.content.map(({ maxTiles }) => maxTiles))
    expect(tiles).toEqual([1, undefined, undefined, undefined])
  })

  it('is greedy unless something asks for sampling, and seeds differ by choice', async () => {
    const engine = new FakeEngine()
    const server = await start(engine, { slots: 1 })
    const optionsOf = async (more: object) => {
      engine.requests.length = 0
      expect((await server.post(CHAT, { ...question, ...more })).status).toBe(200)
      return engine.requests.map(({ options }) => options)
    }
    expect(await optionsOf({})).toEqual([{}])
    expect(await optionsOf({ temperature: 0, seed: 5 })).toEqual([{}])
    expect(await optionsOf({ top_p: 0 })).toEqual([{}])
    expect(await optionsOf({ temperature: 0.5, top_k: -1, seed: -1 })).toEqual([{ temperature: 0.5, seed: 2 ** 32 - 1 }])
    expect(await optionsOf({ n: 2, seed: 7, top_p: 0.5 })).toEqual([7, 8].map((seed) => ({ temperature: 1, topP: 0.5, seed })))
    const [a, b] = await optionsOf({ n: 2 })
    expect([a?.temperature, b?.temperature]).toEqual([1, 1])
    expect(a?.seed).not.toBe(b?.seed)
    const all = {
      max_tokens: 9,
      max_completion_tokens: 5,
      stop: 'x',
      logprobs: true,
      logit_bias: { 3: -100 },
      repetition_penalty: 1.2,
    }
    expect(await optionsOf({ ...all, response_format: { type: 'json_object' } })).toEqual([
      {
        maxNewTokens: 5,
        stop: ['x'],
        logprobs: 0,
        logitBias: { 3: -100 },
        repetitionPenalty: 1.2,
        constraint: { kind: 'json_object' },
      },
    ])
  })
})
