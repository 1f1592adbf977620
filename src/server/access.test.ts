/** Who may ask: hosts, origins and keys. */
import { describe, expect, it } from 'vitest'
import { CHAT, FakeEngine, question, raw, servers, type TestServer } from '../../tests/support/http-server.js'

const start = servers()

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
