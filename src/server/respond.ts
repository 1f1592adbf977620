/** What endpoints have in common: a body that is read and checked, and answers as one object or as a stream of events. */
import type { z } from 'zod'
import type { ChoiceEvent } from './answers.js'
import { checked, parseJson } from './body.js'
import { type RequestContext, type ServerContext, sockets } from './context.js'
import type { Engine } from './engine.js'
import { ApiError, type PromptField, toApiError, unavailable } from './errors.js'
import { event, eventStream } from './event-stream.js'

/** The body of a request as the schema reads it. @throws ApiError */
export async function jsonBody<T>(c: RequestContext, { bodies }: ServerContext, schema: z.ZodType<T>): Promise<T> {
  const type = c.req.header('content-type') ?? ''
  // What a form of another page could send without asking is not taken.
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type))
    throw new ApiError(415, 'expected the header Content-Type: application/json', { code: 'unsupported_media_type' })
  if ((c.req.header('content-encoding') ?? 'identity') !== 'identity')
    throw new ApiError(415, 'compressed bodies are not read', { code: 'unsupported_media_type' })
  const { bytes, release } = await bodies.read(c.req.raw)
  // Held until the request is over: what was parsed is as large.
  c.get('atEnd').push(release)
  return checked(schema, parseJson(bytes))
}

/** Asks the engine for something that is no stream, when it is the client's turn. @throws ApiError, of `field` where the input is at fault */
export async function inTurn<T>(
  c: RequestContext,
  { engine, admission }: ServerContext,
  field: PromptField,
  work: (engine: Engine, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (!engine.ready) throw unavailable('the engine is starting; ask again', 2)
  const { signal } = c.get('abort')
  const place = await admission.enter(c.get('client'), signal)
  try {
    return await work(engine, signal)
  } catch (error) {
    throw toApiError(error, field)
  } finally {
    place.leave()
  }
}

/** All of an answer as one object. @throws ApiError */
export async function answerBody(
  c: RequestContext,
  events: AsyncGenerator<ChoiceEvent, void, void>,
  field: PromptField,
  body: (events: readonly ChoiceEvent[]) => object,
): Promise<Response> {
  const all: ChoiceEvent[] = []
  try {
    for await (const one of events) all.push(one)
  } catch (error) {
    throw toApiError(error, field)
  }
  return c.json(body(all))
}

/**
 * A stream. What fails before its first event is an ordinary error; later, an event that holds one ends it.
 * @param lines made of the events
 * @param last behind all lines of a stream that did not fail
 */
export async function answerStream(
  c: RequestContext,
  server: ServerContext,
  field: PromptField,
  lines: AsyncGenerator<string, void, void>,
  last = '',
  errorEvent: (error: ApiError) => string = (error) => event(error.body),
): Promise<Response> {
  let first: IteratorResult<string, void>
  try {
    first = await lines.next()
  } catch (error) {
    throw toApiError(error, field)
  }
  const all = async function* (): AsyncGenerator<string, void, void> {
    try {
      for (let step = first; !step.done; step = await lines.next()) yield step.value
      if (last) yield last
    } catch (error) {
      if (c.get('abort').signal.aborted) return
      const answer = toApiError(error, field)
      if (answer.status >= 500)
        server.log('error', 'a stream failed', { id: c.get('requestId'), error: String(answer.cause ?? answer.message) })
      c.get('logged').stream_error = answer.code ?? answer.type
      yield errorEvent(answer)
    } finally {
      await lines.return()
    }
  }
  const body = eventStream(all(), {
    abort: (reason) => c.get('abort').abort(reason),
    cut: () => sockets(c).outgoing?.destroy(),
    stallMs: server.stallMs,
  })
  return c.body(body, 200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    // Proxies would otherwise collect the events.
    'x-accel-buffering': 'no',
  })
}
