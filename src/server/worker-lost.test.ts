/** The server over a real worker process: what clients see when it dies, and what is left of clients that leave. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CHAT, startServer, type TestServer, until } from '../../tests/support/http-server.js'
import { LONG, supervised } from '../../tests/support/supervised.js'
import { packageRoot } from '../common/package-root.js'
import type { Supervisor } from './engine/supervisor.js'

let engine: Supervisor
let server: TestServer
beforeAll(async () => {
  engine = await supervised()
  server = await startServer(engine, { slots: 2 })
})
afterAll(async () => {
  await server.close()
  await engine.close()
})

const short = { messages: [{ role: 'user', content: 'What is the capital of Kenya?' }] }
const long = { messages: [{ role: 'user', content: LONG }], temperature: 1, seed: 1, max_tokens: 300, stream: true }
const picture = readFileSync(join(packageRoot, 'examples', 'library', 'red-apple.webp')).toString('base64')
const seen = {
  messages: [
    {
      role: 'user',
      content: [
        { type: 'image_url', image_url: { url: `data:image/webp;base64,${picture}` } },
        { type: 'text', text: LONG },
      ],
    },
  ],
  max_tokens: 300,
}

/** Ends the worker and waits until there is another. */
async function kill(): Promise<void> {
  const before = engine.pid as number
  process.kill(before, 'SIGKILL')
  await until(() => engine.pid !== before)
}

it('a worker that dies in the middle of an answer ends it with an error, and is back', async () => {
  const response = await server.post(CHAT, long)
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  await reader.read()
  await kill()
  let text = ''
  for (let step = await reader.read(); !step.done; step = await reader.read()) text += Buffer.from(step.value).toString()
  expect(text).toContain('"code":"engine_lost"')
  expect(text).not.toContain('[DONE]')
  await until(() => engine.ready, 60_000)
  expect((await server.get('/readyz')).status).toBe(200)
  expect((await server.post(CHAT, short)).status).toBe(200)
})

it('a worker that starts again is told of by readyz', async () => {
  await kill()
  const { status } = await server.get('/readyz')
  expect(status).toBe(503)
  expect((await server.post(CHAT, short)).status).toBe(503)
  await until(() => engine.ready, 60_000)
  expect((await server.post(CHAT, short)).status).toBe(200)
})

it('clients that leave at any time leave nothing behind', async () => {
  expect((await server.post(CHAT, short)).status).toBe(200)
  for (const [body, ms] of [0, 5, 20, 60, 150, 400].flatMap((ms) =>
    [seen, long, { ...seen, stream: true, n: 2 }].map((body) => [body, ms] as const),
  )) {
    const leaving = new AbortController()
    setTimeout(() => leaving.abort(), ms)
    await server
      .post(CHAT, body, { signal: leaving.signal })
      .then((response) => response.text())
      .catch(() => {})
  }
  await until(() => server.app.active === 0)
  const { admission } = server.app.server
  expect([admission.running, admission.waiting]).toEqual([0, 0])
  const held = async () => (await engine.counters()).requests
  while ((await held()) > 0) await new Promise((resolve) => setTimeout(resolve, 10))
  await engine.clearCaches()
  expect((await engine.counters()).sequences).toBe(0)
  expect((await server.post(CHAT, short)).status).toBe(200)
})
