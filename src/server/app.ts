/**
 * The HTTP application: what happens around every request (who asks, from where, whether there is room, what is noted), and which endpoint
 * answers it. Endpoints are in `api/`; the socket is `listen.ts`'s.
 */
import { randomBytes } from 'node:crypto'
import { Hono } from 'hono'
import { ApiKeys, checkHost, type HostRules, hostRules } from './access.js'
import { Admission } from './admission.js'
import { cacheStatistics, clearCaches } from './api/cache.js'
import { chatCompletions } from './api/chat-completions.js'
import { completions } from './api/completions.js'
import { embeddings } from './api/embeddings.js'
import { health, metricsText, readiness } from './api/health.js'
import { inside } from './api/inside.js'
import { anthropicError, messages } from './api/messages.js'
import { listModels, oneModel } from './api/models.js'
import { responses } from './api/responses.js'
import { mountApp, type WebOptions } from './app-api/index.js'
import { BodyBudget } from './body.js'
import { type RequestContext, type ServerContext, type ServerEnv, sockets } from './context.js'
import type { Engine } from './engine.js'
import { ApiError, toApiError, unavailable } from './errors.js'
import { type ImageFetcher, imageFetcher } from './fetch-image.js'
import type { Log } from './log.js'
import { Metrics } from './metrics.js'
import { openApi } from './openapi.js'

export interface AppOptions {
  /** What the server listens on; a loopback address takes the names of this machine alone. Default 127.0.0.1. */
  readonly host?: string
  /** More names that the server is reached by. */
  readonly allowedHosts?: readonly string[]
  /** Pages of these origins may use the server. */
  readonly corsOrigins?: readonly string[]
  /** One of them is needed for everything under /v1; none: everybody may ask. */
  readonly apiKeys?: readonly string[]
  /** Requests that run at a time; default 8. */
  readonly slots?: number
  /** Requests that wait beyond them; default 64. */
  readonly queue?: number
  /** Hosts that images are fetched from; default none. */
  readonly imageHosts?: readonly string[]
  /** Default: made of `imageHosts`. */
  readonly fetchImage?: ImageFetcher
  /** Of one request; default 32. */
  readonly maxImages?: number
  /** Of one body; default 64 MiB. */
  readonly maxBodyBytes?: number
  /** Of all bodies that are being read or answered; default 512 MiB. */
  readonly maxBodiesBytes?: number
  /** How long a reader of a stream may leave what was sent unread; default 30 s. */
  readonly stallMs?: number
  /** Of the package, for /openapi.json. */
  readonly version?: string
  /** Default: nothing is logged. */
  readonly log?: Log
  /** Serves the web app at `/`; default: not. */
  readonly web?: WebOptions
}

/** The application of a server, and what the command needs of it. */
export interface App {
  readonly hono: Hono<ServerEnv>
  readonly server: ServerContext
  /** Requests that are being answered. */
  readonly active: number
  /** From now on new requests get 503. Resolves when the last one that runs is answered. */
  drain(): Promise<void>
  /** Closes what the application opened. */
  close(): void
}

export const DEFAULT_SLOTS = 8
export const DEFAULT_QUEUE = 64

/** Who may see what without a key. */
const OPEN_PATHS = new Set(['/healthz', '/readyz', '/openapi.json'])

/** The application over an engine, which stays the caller's. */
export function createApp(engine: Engine, options: AppOptions = {}): App {
  const { host = '127.0.0.1', apiKeys = [], slots = DEFAULT_SLOTS, queue = DEFAULT_QUEUE, log = () => {} } = options
  const server: ServerContext = {
    engine,
    admission: new Admission(slots, queue),
    bodies: new BodyBudget(options.maxBodyBytes ?? 64 * 2 ** 20, options.maxBodiesBytes ?? 512 * 2 ** 20),
    metrics: new Metrics(),
    log,
    fetchImage: options.fetchImage ?? imageFetcher({ hosts: options.imageHosts ?? [] }),
    maxImages: options.maxImages ?? 32,
    stallMs: options.stallMs ?? 30_000,
    draining: false,
  }
  const active = new ActiveRequests()
  const app = new Hono<ServerEnv>()
  const paths = () => new Set(app.routes.map(({ path }) => path))
  app.use(around(server, active, paths))
  app.use(admitted(server, hostRules(host, options), new ApiKeys(apiKeys)))

  const endpoint = (answer: (c: RequestContext, server: ServerContext) => Response | Promise<Response>) => (c: RequestContext) =>
    answer(c, server)
  app.get('/healthz', endpoint(health))
  app.get('/readyz', endpoint(readiness))
  app.get('/metrics', endpoint(metricsText))
  app.get('/openapi.json', (c) => c.json(openApi(options.version ?? '0')))
  app.get('/v1/models', endpoint(listModels))
  app.get('/v1/models/:id', endpoint(oneModel))
  app.post('/v1/chat/completions', endpoint(chatCompletions))
  app.post('/v1/responses', endpoint(responses))
  app.post('/v1/completions', endpoint(completions))
  app.post('/v1/embeddings', endpoint(embeddings))
  app.post('/v1/messages', endpoint(messages))
  app.post('/v1/inside', endpoint(inside))
  app.get('/v1/cache', endpoint(cacheStatistics))
  app.delete('/v1/cache', endpoint(clearCaches))

  const web = options.web && mountApp(app, (c) => c.get('cacheScope'), { onNotice: (line) => log('warn', line), ...options.web })

  app.notFound((c) => {
    const known = app.routes.filter(({ path, method }) => path === c.req.path && method !== 'ALL').map(({ method }) => method)
    const error =
      known.length > 0
        ? new ApiError(405, `${c.req.path} does not take ${c.req.method}; expected ${known.join(' or ')}`, {
            code: 'method_not_allowed',
          })
        : new ApiError(404, `unknown address: ${c.req.method} ${c.req.path.slice(0, 100)}`, { code: 'unknown_url' })
    return answerError(c, error)
  })
  app.onError((error, c) => {
    if (c.get('abort').signal.aborted) return c.body(null, 499 as 400)
    const answer = toApiError(error)
    if (answer.status === 500) log('error', 'a request failed', { id: c.get('requestId'), error: errorText(answer.cause) })
    return answerError(c, answer)
  })
  return {
    hono: app,
    server,
    get active() {
      return active.count
    },
    drain() {
      server.draining = true
      return active.none()
    },
    close() {
      web?.close()
    },
  }
}

/** An error in the form of the endpoint that was asked. */
function answerError(c: RequestContext, error: ApiError): Response {
  c.get('logged').error = error.code ?? error.type
  if (error.retryAfter !== undefined) c.header('retry-after', String(error.retryAfter))
  if (error.status === 401) c.header('www-authenticate', 'Bearer')
  return c.json(c.req.path === '/v1/messages' ? anthropicError(error) : error.body, error.status)
}

function errorText(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  // Of an error of the engine's process, the cause is where it happened there.
  return cause.cause instanceof Error ? cause.cause.message : (cause.stack ?? cause.message)
}

/** Requests that are being answered. */
class ActiveRequests {
  count = 0
  private readonly waiting: (() => void)[] = []

  begin(): () => void {
    this.count++
    return () => {
      if (--this.count === 0) for (const resolve of this.waiting.splice(0)) resolve()
    }
  }

  none(): Promise<void> {
    return this.count === 0 ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve))
  }
}

/** Names the request, counts it, and notes it when its response was sent or its client has left. */
function around({ metrics, log }: ServerContext, active: ActiveRequests, paths: () => ReadonlySet<string>) {
  return async (c: RequestContext, next: () => Promise<void>): Promise<void> => {
    const began = performance.now()
    c.set('requestId', randomBytes(12).toString('hex'))
    c.set('abort', new AbortController())
    c.set('logged', {})
    c.set('atEnd', [])
    c.header('x-request-id', c.get('requestId'))
    c.header('x-content-type-options', 'nosniff')
    const ended = active.begin()
    const { outgoing } = sockets(c)
    const end = () => {
      for (const work of c.get('atEnd')) work()
      // Whatever still runs for this request runs for nobody.
      c.get('abort').abort(new Error('the client left'))
      ended()
      const [ms, status] = [performance.now() - began, c.res.status]
      const path = endpointOf(c.req.path, paths())
      metrics.count('xcomposer_requests_total', 'Requests by address and status.', { path, status: String(status) })
      metrics.observe(
        'xcomposer_request_seconds',
        'Time from the first byte of a request to the last of its answer.',
        ms / 1000,
        { path },
      )
      const left = outgoing !== undefined && !outgoing.writableFinished
      log('info', 'request', {
        id: c.get('requestId'),
        method: c.req.method,
        path,
        status,
        ms: Math.round(ms),
        ...(left ? { client_left: true } : {}),
        ...c.get('logged'),
      })
    }
    outgoing?.once('close', end)
    try {
      await next()
    } finally {
      if (!outgoing) end()
    }
  }
}

/** Names of endpoints; what else clients ask for would fill metrics and logs. */
function endpointOf(path: string, paths: ReadonlySet<string>): string {
  if (path.startsWith('/v1/models/')) return '/v1/models/:id'
  const [, group] = /^\/(app|assets)\//.exec(path) ?? []
  if (group) return `/${group}/*`
  return paths.has(path) ? path : 'other'
}

/** Host and origin, key, and whether the server still takes requests. */
function admitted(server: ServerContext, hosts: HostRules, keys: ApiKeys) {
  return async (c: RequestContext, next: () => Promise<void>): Promise<Response | undefined> => {
    const { headers } = c.req.raw
    const origin = checkHost(hosts, headers)
    if (origin !== undefined) {
      c.header('access-control-allow-origin', origin)
      c.header('vary', 'Origin')
      c.header('access-control-expose-headers', 'x-request-id, retry-after')
      if (c.req.method === 'OPTIONS') {
        c.header('access-control-allow-methods', 'GET, POST, DELETE')
        c.header('access-control-allow-headers', headers.get('access-control-request-headers') ?? '*')
        c.header('access-control-max-age', '600')
        return c.body(null, 204)
      }
    }
    const guarded = (/^\/(v1|app)\//.test(c.req.path) || c.req.path === '/metrics') && !OPEN_PATHS.has(c.req.path)
    const scope = guarded ? keys.check(headers) : ''
    c.set('cacheScope', scope)
    c.set('client', scope || (sockets(c).incoming?.socket.remoteAddress ?? ''))
    if (server.draining && !OPEN_PATHS.has(c.req.path)) {
      c.header('connection', 'close')
      throw unavailable('the server is ending; ask another one', 5)
    }
    await next()
    return undefined
  }
}
