/** `POST /v1/responses`: OpenAI's newer form of a chat, without its store: every request brings the whole dialogue. */
import { z } from 'zod'
import { type AnswerPlan, answers, type ChoiceEvent } from '../answers.js'
import { chosenModel, type RequestContext, type ServerContext } from '../context.js'
import { chatMessages, type Turn } from '../dialogue.js'
import type { EngineUsage } from '../engine.js'
import { type ApiError, fieldError } from '../errors.js'
import { answerBody, answerStream, jsonBody } from '../respond.js'
import * as fields from './fields.js'
import { type OutputItem, OutputItems } from './response-items.js'
import { ResponseStream } from './response-stream.js'

const inputText = z.object({ type: z.enum(['input_text', 'output_text', 'text']), text: z.string() })
const inputImage = z.object({
  type: z.literal('input_image'),
  image_url: z.string({ error: 'expected an address or a data: URL; files are not kept here' }),
  detail: z.enum(['auto', 'low', 'high']).nullish(),
})
const content = z.union(
  [
    z.string(),
    z.array(
      z.discriminatedUnion('type', [inputText, inputImage], { error: 'expected a part of the type input_text or input_image' }),
    ),
  ],
  { error: 'expected a text or a list of parts' },
)
const message = z.object({
  type: z.literal('message').optional(),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content,
})
const functionCall = z.object({ type: z.literal('function_call'), call_id: z.string(), name: z.string(), arguments: z.string() })
const callOutput = z.object({
  type: z.literal('function_call_output'),
  call_id: z.string(),
  output: z.union([z.string(), z.array(inputText)], { error: 'expected a text or a list of text parts' }),
})
const item = z.discriminatedUnion('type', [message, functionCall, callOutput], {
  error: 'expected an item of the type message, function_call or function_call_output',
})
const tool = z.object({
  type: z.literal('function', { error: 'expected the type function; there are no others here' }),
  name: fields.functionName,
  description: z.string().nullish(),
  parameters: fields.parameters,
  strict: z.boolean().nullish(),
})
const format = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object') }),
    z.object({
      type: z.literal('json_schema'),
      name: z.string(),
      schema: z.record(z.string(), z.unknown()),
      strict: z.boolean().nullish(),
      description: z.string().optional(),
    }),
  ],
  { error: 'expected the type text, json_object or json_schema' },
)
const stateless = (what: string) => z.null({ error: `${what} not kept here; send the whole dialogue in "input"` }).optional()

export const responseRequest = z.object({
  model: fields.model,
  input: z.union([z.string(), z.array(item).min(1)], { error: 'expected a text or a list of items' }),
  instructions: z.string().nullish(),
  max_output_tokens: fields.tokenLimit,
  ...fields.sampling,
  top_logprobs: fields.topLogprobs,
  include: z.array(z.string()).nullish(),
  stream: z.boolean().nullish(),
  text: z.object({ format: format.nullish() }).nullish(),
  tools: fields.toolList(tool),
  tool_choice: z
    .union([z.enum(['auto', 'none', 'required']), z.object({ type: z.literal('function'), name: z.string() })], {
      error: 'expected auto, none, required, or { "type": "function", "name": ... }',
    })
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  previous_response_id: stateless('responses are'),
  conversation: stateless('conversations are'),
  background: z.literal(false, { error: 'nothing runs in the background here; leave it out' }).nullish(),
})
type ResponseRequest = z.infer<typeof responseRequest>

export async function responses(c: RequestContext, server: ServerContext): Promise<Response> {
  const asked = await jsonBody(c, server, responseRequest)
  const plan = await planOf(c, server, asked)
  const id = c.get('requestId')
  const base = responseBase(asked, `resp_${id}`, plan.model.id)
  const events = answers(c, server, plan)
  if (!asked.stream) return answerBody(c, events, 'input', (all) => whole(all, base, id))
  const stream = new ResponseStream(base, id, (status, output, usage) => finished(base, status, output, usage))
  return answerStream(c, server, 'input', stream.events(events), '', (error) => stream.failure(error, failed(base, error)))
}

async function planOf(c: RequestContext, server: ServerContext, asked: ResponseRequest): Promise<AnswerPlan> {
  const model = chosenModel(server.engine, asked.model)
  const choice = asked.tool_choice ?? 'auto'
  const tools = fields.toolChoice(
    (asked.tools ?? []).map(({ name, description, parameters }) => ({
      name,
      description: description ?? undefined,
      parameters: parameters ?? undefined,
    })),
    choice,
  )
  const turns: Turn[] = asked.instructions ? [{ role: 'system', text: asked.instructions, param: 'instructions' }] : []
  if (typeof asked.input === 'string') turns.push({ role: 'user', parts: [{ text: asked.input }], param: 'input' })
  else for (const [i, one] of asked.input.entries()) turns.push(turnOf(one, `input.${i}`))
  const messages = await chatMessages(turns, tools?.tools ?? [], 'input', model, server, c.get('abort').signal)
  const wanted = asked.text?.format
  const constraint = fields.constraintOf(
    wanted?.type === 'json_schema' ? { type: 'json_schema', json_schema: { name: wanted.name, schema: wanted.schema } } : wanted,
  )
  const withLogprobs = asked.include?.includes('message.output_text.logprobs') || asked.top_logprobs != null
  const options = {
    ...fields.samplingOptions(asked),
    ...(asked.max_output_tokens == null ? {} : { maxNewTokens: asked.max_output_tokens }),
    ...(withLogprobs ? { logprobs: asked.top_logprobs ?? 0 } : {}),
    ...constraint,
  }
  return { model, prompts: [{ kind: 'chat', messages }], n: 1, options, tools }
}

function turnOf(one: z.infer<typeof item>, param: string): Turn {
  if (one.type === 'function_call')
    return { role: 'assistant', text: '', calls: [{ id: one.call_id, name: one.name, arguments: one.arguments }], param }
  if (one.type === 'function_call_output') {
    const text = typeof one.output === 'string' ? one.output : one.output.map((part) => part.text).join('')
    return { role: 'tool', callId: one.call_id, text, param }
  }
  const parts = typeof one.content === 'string' ? [{ type: 'text' as const, text: one.content }] : one.content
  if (one.role === 'user') {
    return {
      role: 'user',
      param,
      parts: parts.map((part, at) =>
        part.type === 'input_image'
          ? { image: { url: part.image_url, param: `${param}.content.${at}.image_url`, detail: part.detail ?? 'auto' } }
          : { text: part.text },
      ),
    }
  }
  const image = parts.findIndex((part) => part.type === 'input_image')
  if (image >= 0) throw fieldError(`${param}.content.${image}`, `one of the ${one.role}, holds an image; only user messages can`)
  const text = parts.map((part) => ('text' in part ? part.text : '')).join('')
  return one.role === 'assistant' ? { role: 'assistant', text, calls: [], param } : { role: 'system', text, param }
}

/** What a response says from its beginning to its end. */
function responseBase(asked: ResponseRequest, id: string, model: string) {
  return {
    id,
    object: 'response' as const,
    created_at: Math.floor(Date.now() / 1000),
    model,
    instructions: asked.instructions ?? null,
    max_output_tokens: asked.max_output_tokens ?? null,
    metadata: asked.metadata ?? {},
    parallel_tool_calls: asked.parallel_tool_calls ?? true,
    previous_response_id: null,
    store: false,
    temperature: asked.temperature ?? null,
    top_p: asked.top_p ?? null,
    top_logprobs: asked.top_logprobs ?? 0,
    text: { format: asked.text?.format ?? { type: 'text' as const } },
    tool_choice: asked.tool_choice ?? 'auto',
    tools: (asked.tools ?? []).map(({ type, name, description, parameters, strict }) => ({
      type,
      name,
      description: description ?? null,
      parameters: parameters ?? null,
      strict: strict ?? null,
    })),
    truncation: 'disabled' as const,
  }
}
export type ResponseBase = ReturnType<typeof responseBase>

function usageOf({ promptTokens, cachedTokens, imageTokens, completionTokens, images }: EngineUsage) {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: 0, image_tokens: imageTokens },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + completionTokens,
    ...(images.length > 0 ? { images } : {}),
  }
}

function finished(base: ResponseBase, status: 'completed' | 'incomplete', output: readonly OutputItem[], usage: EngineUsage) {
  return {
    ...base,
    status,
    completed_at: status === 'completed' ? Math.floor(Date.now() / 1000) : null,
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    output,
    usage: usageOf(usage),
  }
}

function failed(base: ResponseBase, { message: text }: ApiError) {
  const error = { code: 'server_error', message: text }
  return { ...base, status: 'failed', completed_at: null, error, incomplete_details: null, output: [] }
}

function whole(events: readonly ChoiceEvent[], base: ResponseBase, id: string) {
  const items = new OutputItems(id)
  for (const one of events) items.add(one)
  const end = events.at(-1)
  if (end?.type !== 'end') throw new Error('an answer without an end')
  const status = end.finishReason === 'length' ? 'incomplete' : 'completed'
  return finished(base, status, items.finished(status), end.usage)
}
