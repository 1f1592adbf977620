/** Clients that leave, stop reading or crowd, over real sockets and an engine that only pretends, so that what is tested is the server. */
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { CHAT, endless, FakeEngine, gate, question, servers, startServer, until } from '../../tests/support/http-server.js'

const start = servers()

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
