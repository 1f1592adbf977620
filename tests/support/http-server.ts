/** Servers for tests: a real socket over an engine, one that is quick and does as it is told, and what reads streams of events. */
import { connect, type Socket } from 'node:net'
import { afterEach } from 'vitest'
import { type App, type AppOptions, createApp } from '../../src/server/app.js'
import type { Engine, EngineEvent, EngineModel, EngineRequest } from '../../src/server/engine.js'
import { type Listening, type ListenOptions, listen } from '../../src/server/listen.js'

export interface TestServer {
  readonly app: App
  readonly listening: Listening
  readonly url: string
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>
  get(path: string, init?: RequestInit): Promise<Response>
  close(): Promise<void>
}

/** A server on a free port of this machine. */
export async function startServer(
  engine: Engine,
  options: AppOptions = {},
  listenOptions: Partial<ListenOptions> = {},
): Promise<TestServer> {
  const app = createApp(engine, options)
  const listening = await listen(app, { host: '127.0.0.1', port: 0, ...listenOptions })
  const { url } = listening
  const get = (path: string, init: RequestInit = {}) => fetch(`${url}${path}`, init)
  return {
    app,
    listening,
    url,
    get,
    post: (path, body, init = {}) =>
      get(path, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: { 'content-type': 'application/json', ...init.headers },
      }),
    close: () => listening.close(),
  }
}

/** Starts servers that are closed behind each test of the file. */
export function servers(): (
  engine?: FakeEngine,
  options?: AppOptions,
  listening?: Partial<ListenOptions>,
) => Promise<TestServer> {
  const open: TestServer[] = []
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close()
  })
  return async (engine = new FakeEngine(), options = {}, listening = {}) => {
    const server = await startServer(engine, options, listening)
    open.push(server)
    return server
  }
}

export const CHAT = '/v1/chat/completions'
export const question = { messages: [{ role: 'user', content: 'Hi' }] }

/** The events of a stream: `data` parsed where it is JSON. */
export async function readEvents(response: Response): Promise<{ name: string | undefined; data: unknown }[]> {
  const text = await response.text()
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const name = /^event: (.*)$/m.exec(block)?.[1]
      const data = /^data: (.*)$/m.exec(block)?.[1] ?? ''
      return { name, data: data === '[DONE]' ? data : (JSON.parse(data) as unknown) }
    })
}

export const fakeModel: EngineModel = {
  id: 'fake',
  created: 1_700_000_000,
  loaded: true,
  vision: true,
  tiled: false,
  contextLength: 1000,
  hiddenSize: 4,
}

/** An engine that answers with what it is given, as quickly as it is read, and counts what it was asked. */
export class FakeEngine implements Engine {
  models: readonly EngineModel[] = [fakeModel]
  ready = true
  readonly requests: EngineRequest[] = []
  /** Answers that have begun and not ended. */
  running = 0
  mostRunning = 0

  /** @param reply the pieces of every answer, or what makes them */
  constructor(
    private readonly reply: (request: EngineRequest, signal: AbortSignal) => AsyncIterable<string> | Iterable<string> = () => [
      'Hello',
      ' there',
    ],
  ) {}

  async *answer(request: EngineRequest, signal: AbortSignal): AsyncGenerator<EngineEvent, void, void> {
    this.requests.push(request)
    this.running++
    this.mostRunning = Math.max(this.mostRunning, this.running)
    try {
      let tokens = 0
      const { logprobs } = request.options
      for await (const text of this.reply(request, signal)) {
        signal.throwIfAborted()
        tokens++
        const known = {
          id: tokens,
          text,
          logprob: -0.5,
          top: Array.from({ length: logprobs ?? 0 }, (_, i) => ({ id: i, text: `t${i}`, logprob: -i })),
        }
        yield { type: 'piece', text, ...(logprobs === undefined ? {} : { logprobs: [known] }) }
      }
      const usage = { promptTokens: 10, imageTokens: 0, completionTokens: tokens, cachedTokens: 4, images: [] }
      yield { type: 'end', finishReason: 'stop', usage, timings: { firstTokenMs: 1, tokensPerSecond: 1000 } }
    } finally {
      this.running--
    }
  }

  async inside(): Promise<never> {
    throw new Error('a look inside needs a model')
  }

  async embed(_model: string, inputs: readonly unknown[]) {
    return inputs.map(() => ({ vector: Float32Array.of(1, 0, 0, 0), tokens: 3 }))
  }

  async cacheStatistics() {
    const none = { entries: 0, bytes: 0, maxBytes: 0, hits: 0, misses: 0 }
    return { prefix: none, image: none }
  }

  async clearCaches() {}

  async close() {}
}

/** A reply that waits until its reader leaves. */
export async function* endless(_request: EngineRequest, signal: AbortSignal): AsyncGenerator<string, void, void> {
  yield 'Once'
  await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}

/** A reply that waits until the gate is opened. */
export function gate() {
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

/** A raw request; what came back until the connection ended or `enough` was there. */
export function raw(server: TestServer, bytes: string, enough?: RegExp): Promise<string> {
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

/** Waits until something holds. */
export async function until(holds: () => boolean, ms = 10_000): Promise<void> {
  const end = performance.now() + ms
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not so within ${ms} ms: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
