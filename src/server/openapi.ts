/** `GET /openapi.json`: what the server takes, from the schemas that it checks requests with. */
import { z } from 'zod'
import { chatCompletionRequest } from './api/chat-completions.js'
import { completionRequest } from './api/completions.js'
import { embeddingRequest } from './api/embeddings.js'
import { insideRequest } from './api/inside.js'
import { messagesRequest } from './api/messages.js'
import { responseRequest } from './api/responses.js'

const posts: Readonly<Record<string, { readonly summary: string; readonly request: z.ZodType; readonly streams: boolean }>> = {
  '/v1/chat/completions': { summary: 'Answers a dialogue.', request: chatCompletionRequest, streams: true },
  '/v1/responses': { summary: 'Answers a dialogue; nothing is kept.', request: responseRequest, streams: true },
  '/v1/completions': { summary: 'Continues texts as they stand.', request: completionRequest, streams: true },
  '/v1/embeddings': { summary: 'Texts and images as vectors.', request: embeddingRequest, streams: false },
  '/v1/inside': { summary: 'How an answer came about.', request: insideRequest, streams: false },
  '/v1/messages': { summary: "Answers a dialogue in Anthropic's form.", request: messagesRequest, streams: true },
}
const gets: Readonly<Record<string, string>> = {
  '/v1/models': 'The models and what each can do.',
  '/v1/models/{id}': 'One model.',
  '/v1/cache': 'What the caches hold.',
  '/healthz': 'Whether the process lives.',
  '/readyz': 'Whether requests can be answered.',
  '/metrics': 'Counts and durations for Prometheus.',
}

const errors = { default: { description: 'An error.', content: json({ $ref: '#/components/schemas/Error' }) } }
const errorSchema = z.object({
  error: z.object({ message: z.string(), type: z.string(), param: z.string().nullable(), code: z.string().nullable() }),
})

/** The description, version 3.1. @param version of the package */
export function openApi(version: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const [path, { summary, request, streams }] of Object.entries(posts)) {
    const answer = { ...json({ type: 'object' }), ...(streams ? { 'text/event-stream': { schema: { type: 'string' } } } : {}) }
    paths[path] = {
      post: {
        summary,
        requestBody: { required: true, content: json(jsonSchema(request)) },
        responses: { 200: { description: 'The answer.', content: answer }, ...errors },
      },
    }
  }
  for (const [path, summary] of Object.entries(gets)) {
    const parameters = path.includes('{id}') ? [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }] : []
    paths[path] = { get: { summary, parameters, responses: { 200: { description: 'The answer.' }, ...errors } } }
  }
  paths['/v1/cache'] = {
    ...paths['/v1/cache'],
    delete: { summary: 'Empties the caches.', responses: { 200: { description: 'Done.' }, ...errors } },
  }
  return {
    openapi: '3.1.0',
    info: { title: 'XComposer', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
    components: {
      schemas: { Error: jsonSchema(errorSchema) },
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
    },
    security: [{}, { key: [] }],
  }
}

function jsonSchema(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return rest
}

function json(schema: object) {
  return { 'application/json': { schema } }
}
