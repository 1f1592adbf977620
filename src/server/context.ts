/** What all endpoints of a server share, and what each request carries. */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Admission } from './admission.js'
import type { BodyBudget } from './body.js'
import type { Engine, EngineModel } from './engine.js'
import { ApiError } from './errors.js'
import type { ImageFetcher } from './fetch-image.js'
import type { Log } from './log.js'
import type { Metrics } from './metrics.js'

/** What the endpoints of one server share. */
export interface ServerContext {
  readonly engine: Engine
  readonly admission: Admission
  readonly bodies: BodyBudget
  readonly metrics: Metrics
  readonly log: Log
  readonly fetchImage: ImageFetcher
  readonly maxImages: number
  readonly stallMs: number
  /** Whether the server ends: nothing new is begun. */
  draining: boolean
}

/** Hono's types of a request: node's own objects, and what the middleware found out. */
export interface ServerEnv {
  Bindings: Partial<HttpBindings>
  Variables: {
    requestId: string
    /** Whose turn the request is: the hash of its key, or the address it came from. */
    client: string
    /** Requests of different scopes share no cache. */
    cacheScope: string
    /** Fields of the request's line in the log. */
    logged: Record<string, string | number>
    /** Ends what the request began; its signal is aborted when the client leaves. */
    abort: AbortController
    /** Run when the response was sent or its connection is gone. */
    atEnd: (() => void)[]
  }
}

export type RequestContext = Context<ServerEnv>

/** Node's objects of a request; none where the application is called without a socket. */
export function sockets(c: RequestContext): Partial<HttpBindings> {
  return c.env ?? {}
}

/** The model that a request names; the first where it names none. @throws ApiError 404 */
export function chosenModel(engine: Engine, name: string | null | undefined): EngineModel {
  const found = name == null || name === '' ? engine.models[0] : engine.models.find(({ id }) => id === name)
  if (found) return found
  const known = engine.models.map(({ id }) => id).join(', ')
  throw new ApiError(404, `the model ${JSON.stringify(name?.slice(0, 100))} does not exist here; expected ${known}`, {
    param: 'model',
    code: 'model_not_found',
  })
}
