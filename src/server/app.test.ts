/** What a server says of itself and of an engine that fails: readiness, errors, log, metrics, caches, description. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { CHAT, FakeEngine, question, servers, until } from '../../tests/support/http-server.js'
import { EngineLostError } from './engine.js'
import { jsonLog } from './log.js'

const start = servers()

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

it('caches are shown and emptied', async () => {
  let cleared = 0
  const engine = new FakeEngine()
  engine.clearCaches = async () => void cleared++
  const server = await start(engine)
  expect(await (await server.get('/v1/cache')).json()).toMatchObject({
    object: 'cache',
    prefix: { entries: 0, max_bytes: 0 },
    image: { hits: 0 },
  })
  expect(await (await server.get('/v1/cache', { method: 'DELETE' })).json()).toEqual({ object: 'cache', cleared: true })
  expect(cleared).toBe(1)
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
  const body = (path: string) => {
    const { post } = value.paths[path] as { post: { requestBody: { content: { 'application/json': { schema: object } } } } }
    return new Ajv2020({ strict: false }).compile(post.requestBody.content['application/json'].schema)
  }
  const [chat, responses] = [body(CHAT), body('/v1/responses')]
  expect([chat(question), chat({ messages: 5 }), chat({ ...question, temperature: 3 })]).toEqual([true, false, false])
  expect([responses({ input: [{ role: 'user', content: 'x' }] }), responses({ input: 5 })]).toEqual([true, false])
})
