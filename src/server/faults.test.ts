/** Clients that leave, stop, lie or crowd, over real sockets and an engine that only pretends, so that what is tested is the server. */
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { endless, FakeEngine, fakeModel, startServer, type TestServer, until } from '../../tests/support/http-server.js'
import type { AppOptions } from './app.js'
import { EngineLostError } from './engine.js'
import type { ListenOptions } from './listen.js'
import { jsonLog } from './log.js'

const open: TestServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function start(engine = new FakeEngine(), options: AppOptions = {}, listening: Partial<ListenOptions> = {}) {
  const server = await startServer(engine, options, listening)
  open.push(server)
  return server
}

const question = { messages: [{ role: 'user', content: 'Hi' }] }
const CHAT = '/v1/chat/completions'

/** A raw request; what came back until the connection ended or `enough` was there. */
function raw(server: TestServer, bytes: string, enough?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket: Socket = connect(server.listening.port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (enough?.test(text)) socket.destroy()
    })
    socket.on('close', () => resolve(text))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? resolve(text) : reject(error),
    )
  })
}

describe('a client that leaves', () => {
  it.each([
    [
      'before the first token',
      async function* (_: unknown, signal: AbortSignal) {
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
        yield ''
      },
    ],
    ['in the middle', endless],
  ])('%s gives everything back', async (_, reply) => {
    const engine = new FakeEngine(reply)
    const server = await start(engine, { slots: 1 })
    for (const stream of [true, false]) {
      const leaving = new AbortController()
      const asked = server.post(CHAT, { ...question, stream }, { signal: leaving.signal }).then((response) => response.text())
      asked.catch(() => {})
      await until(() => engine.running === 1)
      leaving.abort()
      await until(() => engine.running === 0 && server.app.active === 0)
      expect([server.app.server.admission.running, server.app.server.admission.waiting]).toEqual([0, 0])
    }
  })

  it('while it waits leaves the queue', async () => {
    const engine = new FakeEngine(endless)
    const server = await start(engine, { slots: 1, queue: 5 })
    const [first, second] = [new AbortController(), new AbortController()]
    for (const { signal } of [first, second]) server.post(CHAT, question, { signal }).catch(() => {})
    const { admission } = server.app.server
    await until(() => admission.waiting === 1)
    second.abort()
    await until(() => admission.waiting === 0)
    first.abort()
    await until(() => admission.running === 0 && engine.running === 0)
    expect(engine.requests).toHaveLength(1)
  })

  it('of several choices ends them all', async () => {
    const engine = new FakeEngine(endless)
    const server = await start(engine, { slots: 4 })
    const leaving = new AbortController()
    server.post(CHAT, { ...question, n: 4, stream: true }, { signal: leaving.signal }).catch(() => {})
    await until(() => engine.running === 4)
    leaving.abort()
    await until(() => engine.running === 0 && server.app.server.admission.running === 0)
  })

  it('that stops reading is waited for, then cut off, and holds up nobody else', async () => {
    let made = 0
    const flood = function* () {
      for (;;) {
        made++
        yield 'x'.repeat(10_000)
      }
    }
    const engine = new FakeEngine(({ prompt }) => (JSON.stringify(prompt).includes('flood') ? flood() : ['fine']))
    const server = await start(engine, { slots: 2, stallMs: 300 })
    const body = JSON.stringify({ messages: [{ role: 'user', content: 'flood' }], stream: true })
    const socket = connect(server.listening.port, '127.0.0.1')
    socket.pause()
    socket.write(
      `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    await until(() => engine.running === 1)
    expect((await server.post(CHAT, question)).status).toBe(200)
    await until(() => engine.running === 0 && server.app.active === 0)
    // As much as the sockets hold, not as much as there was time for.
    expect(made).toBeLessThan(2000)
    socket.destroy()
  })
})

/** A reply that waits until the gate is opened. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const reply = async function* () {
    await opened
    yield 'done'
  }
  return { open, reply }
}

describe('a crowd', () => {
  it('of 200 on one slot with a queue of 8 is answered or told to come again', async () => {
    const { open: release, reply } = gate()
    const engine = new FakeEngine(reply)
    const server = await start(engine, { slots: 1, queue: 8 })
    const statuses: number[] = []
    const all = Array.from({ length: 200 }, async () => {
      const response = await server.post(CHAT, question)
      statuses.push(response.status)
      return { response, error: ((await response.json()) as { error?: object }).error }
    })
    await until(() => statuses.length === 191, 60_000)
    expect([engine.running, server.app.server.admission.waiting]).toEqual([1, 8])
    release()
    for (const { response, error } of await Promise.all(all)) {
      if (response.status === 200) continue
      expect([response.status, error]).toEqual([429, expect.objectContaining({ code: 'rate_limit_exceeded' })])
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(9)
    expect(engine.mostRunning).toBe(1)
    await until(() => server.app.active === 0)
    expect((await server.post(CHAT, question)).status).toBe(200)
  })

  it('of one key does not keep out another', async () => {
    const { open: release, reply } = gate()
    const engine = new FakeEngine(reply)
    const server = await start(engine, { slots: 1, queue: 20, apiKeys: ['greedy', 'modest'] })
    const ask = (key: string) => server.post(CHAT, question, { headers: { authorization: `Bearer ${key}` } })
    const { admission } = server.app.server
    const all = Array.from({ length: 10 }, () => ask('greedy'))
    await until(() => admission.waiting === 9)
    all.push(ask('modest'))
    await until(() => admission.waiting === 10)
    release()
    for (const { status } of await Promise.all(all)) expect(status).toBe(200)
    // The one that ran and the one whose turn it was came before.
    const scopes = engine.requests.map(({ cacheScope }) => cacheScope)
    expect(scopes.findIndex((scope) => scope !== scopes[0])).toBe(2)
  })
})

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

describe('hosts and origins', () => {
  const get = (server: TestServer, headers: string) =>
    raw(server, `GET /v1/models HTTP/1.1\r\nConnection: close\r\n${headers}\r\n\r\n`)

  it('of this machine alone are taken on a loopback address', async () => {
    const server = await start()
    for (const host of ['localhost', 'LOCALHOST:8080', '127.0.0.1:1', '[::1]:8080'])
      expect(await get(server, `Host: ${host}`)).toMatch(/ 200 /)
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.nip.io:80', 'evil@localhost'])
      expect(await get(server, `Host: ${host}`)).toMatch(/ 40[03] /)
  })

  it('of other pages are refused unless they are allowed', async () => {
    const server = await start(new FakeEngine(), { corsOrigins: ['https://app.example'], allowedHosts: ['ai.example'] })
    expect(await get(server, 'Host: localhost\r\nOrigin: https://evil.example')).toMatch(/ 403 /)
    expect(await get(server, 'Host: localhost\r\nOrigin: null')).toMatch(/ 403 /)
    expect(await get(server, 'Host: localhost:8080\r\nOrigin: http://localhost:8080')).toMatch(/ 200 /)
    expect(await get(server, 'Host: ai.example')).toMatch(/ 200 /)
    expect(await get(server, 'Host: localhost\r\nOrigin: https://app.example')).toMatch(
      /access-control-allow-origin: https:\/\/app.example/i,
    )
    const preflight = await raw(
      server,
      `OPTIONS ${CHAT} HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\nOrigin: https://app.example\r\nAccess-Control-Request-Headers: authorization, content-type\r\n\r\n`,
    )
    expect(preflight).toMatch(/ 204 /)
    expect(preflight).toMatch(/access-control-allow-headers: authorization, content-type/i)
  })
})

describe('keys', () => {
  it.each([
    ['the right one', 'Bearer second-key', 200],
    ['the right one by another case of the scheme', 'bearer first-key', 200],
    ['none', '', 401],
    ['a wrong one', 'Bearer other', 401],
    ['a beginning of one', 'Bearer first-ke', 401],
    ['one and more', 'Bearer first-key2', 401],
    ['another scheme', 'Basic first-key', 401],
  ])('%s', async (_, authorization, status) => {
    const server = await start(new FakeEngine(), { apiKeys: ['first-key', 'second-key'] })
    const headers = authorization ? { authorization } : undefined
    for (const path of ['/v1/models', '/metrics', '/v1/cache']) {
      const response = await server.get(path, { ...(headers ? { headers } : {}) })
      expect(response.status).toBe(status)
      if (status === 401) expect(await response.json()).toMatchObject({ error: { code: 'invalid_api_key' } })
    }
    expect((await server.get('/healthz')).status).toBe(200)
  })

  it("are taken in Anthropic's header, and give each its own caches", async () => {
    const engine = new FakeEngine()
    const server = await start(engine, { apiKeys: ['a', 'b'] })
    for (const key of ['a', 'b', 'a'])
      expect((await server.post(CHAT, question, { headers: { 'x-api-key': key } })).status).toBe(200)
    const [first, second, third] = engine.requests.map(({ cacheScope }) => cacheScope)
    expect(first).toBe(third)
    expect(first).not.toBe(second)
    expect(first).not.toContain('a'.repeat(2))
  })
})

describe('an engine', () => {
  it('that starts again is said by readyz, and asked again later', async () => {
    const engine = new FakeEngine()
    const server = await start(engine)
    expect((await server.get('/readyz')).status).toBe(200)
    engine.ready = false
    expect((await server.get('/readyz')).status).toBe(503)
    const response = await server.post(CHAT, question)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2'])
    expect((await server.get('/metrics')).status).toBe(200)
  })

  it.each([
    ['dies', new EngineLostError('the worker ended'), 'engine_lost', 503],
    ['breaks', new Error('secret detail at /home/someone'), 'internal_error', 500],
  ])('that %s says so, before its first token and behind it', async (_, error, code, status) => {
    const failing = (pieces: string[]) =>
      new FakeEngine(async function* () {
        yield* pieces
        throw error
      })
    const lines: string[] = []
    const before = await start(failing([]), { log: jsonLog((line) => lines.push(line)) })
    const response = await before.post(CHAT, { ...question, stream: true })
    expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([status, code])
    const behind = await start(failing(['one']))
    for (const path of [CHAT, '/v1/responses', '/v1/messages']) {
      const body = path === '/v1/responses' ? { input: 'x' } : { ...question, max_tokens: 5 }
      const text = await (await behind.post(path, { ...body, stream: true })).text()
      expect(text).toContain('one')
      expect(text).toMatch(path === '/v1/messages' ? /"type":"error"/ : new RegExp(code))
      expect(text).not.toContain('[DONE]')
      expect(text).not.toContain('secret')
    }
    if (status === 500) expect(lines.join('')).toContain('secret detail')
    expect(behind.app.server.admission.running).toBe(0)
  })
})

describe('draining', () => {
  it('lets answers in flight end and refuses new ones', async () => {
    let finish = () => {}
    const waiting = new Promise<void>((resolve) => {
      finish = resolve
    })
    const engine = new FakeEngine(async function* () {
      yield 'begun '
      await waiting
      yield 'ended'
    })
    const server = await startServer(engine, { slots: 1, queue: 4 })
    const [running, queued] = [server.post(CHAT, { ...question, stream: true }), server.post(CHAT, question)]
    await until(() => server.app.server.admission.waiting === 1)
    const drained = server.listening.drain(10_000)
    const refused = await server.post(CHAT, question)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5'])
    expect((await server.get('/readyz')).status).toBe(503)
    expect((await server.get('/healthz')).status).toBe(200)
    finish()
    expect(await (await running).text()).toContain('ended')
    expect((await queued).status).toBe(200)
    await drained
    await expect(server.get('/healthz')).rejects.toThrow()
  })

  it('does not wait for ever', async () => {
    const server = await startServer(new FakeEngine(endless))
    const asked = server.post(CHAT, question)
    asked.catch(() => {})
    await until(() => server.app.active === 1)
    await server.listening.drain(50)
    await expect(asked).rejects.toThrow()
  })
})

describe('the log', () => {
  it('has a line for each request, and nothing of what people write', async () => {
    const lines: string[] = []
    const server = await start(new FakeEngine(() => ['secret answer']), {
      log: jsonLog((line) => lines.push(line)),
      apiKeys: ['secret-key'],
    })
    const body = { messages: [{ role: 'user', content: 'secret question' }] }
    await (await server.post(CHAT, body, { headers: { authorization: 'Bearer secret-key' } })).text()
    await (await server.post(`${CHAT}?secret=1`, '{"secret"', { headers: { authorization: 'Bearer secret-key' } })).text()
    await (await server.get('/secret/path')).text()
    await until(() => lines.length === 3)
    const logged = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(logged[0]).toMatchObject({
      level: 'info',
      method: 'POST',
      path: CHAT,
      status: 200,
      prompt_tokens: 10,
      completion_tokens: 1,
      ms: expect.any(Number),
    })
    expect(logged.map(({ status }) => status)).toEqual([200, 400, 404])
    expect(lines.join('')).not.toContain('secret')
  })
})

it('metrics count requests and tokens', async () => {
  const server = await start()
  await (await server.post(CHAT, question)).text()
  await until(() => server.app.active === 0)
  const response = await server.get('/metrics')
  const text = await response.text()
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0.0.4/)
  expect(text).toContain(`xcomposer_requests_total{path="${CHAT}",status="200"} 1`)
  expect(text).toContain('xcomposer_tokens_total{kind="cached"} 4')
  for (const line of text.trimEnd().split('\n'))
    expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [\d.e+-]+)$/)
})

it('the description names every endpoint', async () => {
  const server = await start(new FakeEngine(), { version: '1.2.3' })
  const value = (await (await server.get('/openapi.json')).json()) as { paths: Record<string, object>; info: object }
  const routes = server.app.hono.routes.filter(({ method, path }) => method !== 'ALL' && path !== '/openapi.json')
  for (const { path, method } of routes) expect(value.paths[path.replace(':id', '{id}')]).toHaveProperty(method.toLowerCase())
  expect(value.info).toMatchObject({ version: '1.2.3' })
})
