/**
 * The web app's own part of the HTTP interface, below `/app/`: conversations, their messages and images, export. Bodies are checked here;
 * errors are objects of OpenAI's form, as everywhere in this server.
 */
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { z } from 'zod'
import { InputError } from '../../common/errors.js'
import { firstIssue } from '../../common/schema-issue.js'
import type { RequestContext, ServerEnv } from '../context.js'
import { exportConversation } from './export.js'
import { conversationSchema, ID, IMAGE_ID, messageSchema } from './records.js'
import type { ConversationStore } from './store.js'

/** Of one image file. */
const MAX_IMAGE_BYTES = 50_000_000
/** Of a request in JSON: the longest text, escaped. */
const MAX_JSON_BYTES = 8_000_000
const MAX_LISTED = 500

/** @param scopeOf whose conversations a request may see: a hash of its API key, or '' */
export function appRoutes(store: ConversationStore, scopeOf: (c: RequestContext) => string): Hono<ServerEnv> {
  const app = new Hono<ServerEnv>()
  app.use(async (c, next) => {
    await next()
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store')
    c.header('x-content-type-options', 'nosniff')
  })
  app.onError((error, c) => {
    if (error instanceof InputError) return failure(c, 400, error.message)
    // The driver's errors carry SQLite's code: the disk is full, the file is locked or not writable.
    const code = (error as { code?: unknown }).code
    if (typeof code === 'string' && code.startsWith('SQLITE_')) {
      const full = code.startsWith('SQLITE_FULL')
      return failure(
        c,
        full ? 507 : 503,
        `conversations cannot be kept now (${full ? 'the disk is full' : code}); try again later`,
      )
    }
    throw error
  })
  const json = bodyLimit({
    maxSize: MAX_JSON_BYTES,
    onError: (c) => failure(c, 413, `more than ${MAX_JSON_BYTES} bytes of JSON`),
  })
  const file = bodyLimit({
    maxSize: MAX_IMAGE_BYTES,
    onError: (c) => failure(c, 413, `an image of more than ${MAX_IMAGE_BYTES} bytes`),
  })
  const id = (c: RequestContext, name = 'id') => checked(ID, c.req.param(name), name)

  app.get('/conversations', (c) => {
    const limit = checked(z.coerce.number().int().min(1).max(MAX_LISTED), c.req.query('limit') ?? 200, 'limit')
    const query = checked(z.string().max(500), c.req.query('query') ?? '', 'query')
    return c.json({ conversations: store.list(scopeOf(c), query, limit) })
  })
  app.get('/conversations/:id', (c) => {
    const conversation = store.read(scopeOf(c), id(c))
    return conversation ? c.json(conversation) : failure(c, 404, `conversation ${id(c)}: not found`)
  })
  app.put('/conversations/:id', json, async (c) => {
    store.write(scopeOf(c), id(c), checked(conversationSchema, await body(c), ''))
    return c.body(null, 204)
  })
  app.delete('/conversations/:id', (c) => {
    return store.delete(scopeOf(c), id(c)) ? c.body(null, 204) : failure(c, 404, `conversation ${id(c)}: not found`)
  })
  app.put('/conversations/:id/messages/:message', json, async (c) => {
    store.writeMessage(scopeOf(c), id(c), id(c, 'message'), checked(messageSchema, await body(c), ''))
    return c.body(null, 204)
  })
  app.get('/conversations/:id/export', (c) => {
    const format = checked(z.enum(['html', 'markdown']), c.req.query('format') ?? 'html', 'format')
    const language = checked(z.enum(['en', 'zh']), c.req.query('language') ?? 'en', 'language')
    const scope = scopeOf(c)
    const conversation = store.read(scope, id(c))
    if (!conversation) return failure(c, 404, `conversation ${id(c)}: not found`)
    const { name, type, bytes } = exportConversation(conversation, format, language, (image) => store.readImage(scope, image))
    return c.body(new Uint8Array(bytes), 200, {
      'content-type': type,
      // A page that was exported is data: opened from here, it may do nothing with this origin.
      'content-security-policy': 'sandbox',
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, (x) => `%${x.charCodeAt(0).toString(16)}`)}`,
    })
  })
  app.post('/images', file, async (c) => {
    if (/^(application\/x-www-form|multipart|text\/)/i.test(c.req.header('content-type') ?? ''))
      return failure(c, 415, 'content-type: expected image/... or application/octet-stream, with the file as the body')
    return c.json(store.writeImage(scopeOf(c), new Uint8Array(await c.req.arrayBuffer())))
  })
  app.get('/images/:id', (c) => {
    const image = store.readImage(scopeOf(c), checked(IMAGE_ID, c.req.param('id'), 'id'))
    if (!image) return failure(c, 404, 'image: not found')
    return c.body(new Uint8Array(image.bytes), 200, {
      'content-type': `image/${image.format}`,
      'cache-control': 'private, max-age=31536000, immutable',
      'content-security-policy': "default-src 'none'; sandbox",
    })
  })
  app.all('*', (c) => failure(c, 404, `${c.req.method} ${c.req.path}: not found`))
  return app
}

function failure(c: RequestContext, status: 400 | 404 | 413 | 415 | 503 | 507, message: string): Response {
  const type = status >= 500 ? 'server_error' : 'invalid_request_error'
  return c.json({ error: { message, type, param: null, code: null } }, status)
}

async function body(c: RequestContext): Promise<unknown> {
  // A page of another origin can send a form without asking, but not this type.
  if (!/^application\/json\b/i.test(c.req.header('content-type') ?? ''))
    throw new InputError('content-type: expected application/json')
  try {
    return await c.req.json()
  } catch (cause) {
    throw new InputError('body: expected JSON', { cause })
  }
}

function checked<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const { field, message } = firstIssue(result.error, value, schema)
  throw new InputError(`${[name, field].filter((part) => part !== '').join('.') || 'body'}: ${message}`)
}
