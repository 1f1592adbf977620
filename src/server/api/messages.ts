/** `POST /v1/messages`: Anthropic's form of a chat, streamed or whole. */
import { z } from 'zod'
import { type AnswerPlan, answers, type ChoiceEvent } from '../answers.js'
import { chosenModel, type RequestContext, type ServerContext } from '../context.js'
import { chatMessages, type Turn, type TurnPart } from '../dialogue.js'
import type { EngineUsage } from '../engine.js'
import type { ApiError } from '../errors.js'
import { event } from '../event-stream.js'
import { answerBody, answerStream, jsonBody } from '../respond.js'
import type { ToolCall } from '../tools.js'
import * as fields from './fields.js'

const text = z.object({ type: z.literal('text'), text: z.string() })
const image = z.object({
  type: z.literal('image'),
  source: z.discriminatedUnion(
    'type',
    [
      z.object({ type: z.literal('base64'), media_type: z.string().nullish(), data: z.string() }),
      z.object({ type: z.literal('url'), url: z.string() }),
    ],
    { error: 'expected a source of the type base64 or url' },
  ),
})
const toolUse = z.object({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
})
const texts = z.union([z.string(), z.array(text)], { error: 'expected a text or a list of text blocks' })
const toolResult = z.object({ type: z.literal('tool_result'), tool_use_id: z.string(), content: texts.nullish() })
const message = z.discriminatedUnion(
  'role',
  [
    z.object({
      role: z.literal('user'),
      content: z.union(
        [
          z.string(),
          z.array(
            z.discriminatedUnion('type', [text, image, toolResult], {
              error: 'expected a block of the type text, image or tool_result',
            }),
          ),
        ],
        { error: 'expected a text or a list of blocks' },
      ),
    }),
    z.object({
      role: z.literal('assistant'),
      content: z.union(
        [
          z.string(),
          z.array(z.discriminatedUnion('type', [text, toolUse], { error: 'expected a block of the type text or tool_use' })),
        ],
        { error: 'expected a text or a list of blocks' },
      ),
    }),
  ],
  { error: 'expected the role user or assistant' },
)

export const messagesRequest = z.object({
  model: fields.model,
  max_tokens: z.int().min(1),
  messages: z.array(message).min(1),
  system: texts.nullish(),
  temperature: fields.sampling.temperature,
  top_p: fields.sampling.top_p,
  top_k: fields.sampling.top_k,
  stop_sequences: z.array(z.string().min(1).max(256)).max(16).nullish(),
  stream: z.boolean().nullish(),
  tools: fields.toolList(
    z.object({ name: fields.functionName, description: z.string().nullish(), input_schema: fields.parameters }),
  ),
  tool_choice: z
    .discriminatedUnion(
      'type',
      [z.object({ type: z.enum(['auto', 'any', 'none']) }), z.object({ type: z.literal('tool'), name: z.string() })],
      {
        error: 'expected the type auto, any, none or tool',
      },
    )
    .nullish(),
})
type MessagesRequest = z.infer<typeof messagesRequest>

export async function messages(c: RequestContext, server: ServerContext): Promise<Response> {
  const asked = await jsonBody(c, server, messagesRequest)
  const plan = await planOf(c, server, asked)
  const base = { id: `msg_${c.get('requestId')}`, type: 'message', role: 'assistant', model: plan.model.id }
  const events = answers(c, server, plan)
  if (asked.stream)
    return answerStream(c, server, 'messages', streamed(events, base), '', (error) => event(anthropicError(error), 'error'))
  return answerBody(c, events, 'messages', (all) => whole(all, base))
}

async function planOf(c: RequestContext, server: ServerContext, asked: MessagesRequest): Promise<AnswerPlan> {
  const model = chosenModel(server.engine, asked.model)
  const choice = asked.tool_choice ?? { type: 'auto' as const }
  const tools = fields.toolChoice(
    (asked.tools ?? []).map(({ name, description, input_schema: schema }) => ({
      name,
      description: description ?? undefined,
      parameters: schema ?? undefined,
    })),
    choice.type === 'tool' ? choice : choice.type === 'any' ? 'required' : choice.type,
  )
  const turns: Turn[] = asked.system == null ? [] : [{ role: 'system', text: joined(asked.system), param: 'system' }]
  for (const [i, one] of asked.messages.entries()) turns.push(...turnsOf(one, `messages.${i}`))
  const read = await chatMessages(turns, tools?.tools ?? [], 'messages', model, server, c.get('abort').signal)
  const options = {
    ...fields.samplingOptions(asked),
    maxNewTokens: asked.max_tokens,
    ...(asked.stop_sequences?.length ? { stop: asked.stop_sequences } : {}),
  }
  return { model, prompts: [{ kind: 'chat', messages: read }], n: 1, options, tools }
}

const joined = (content: z.infer<typeof texts>): string =>
  typeof content === 'string' ? content : content.map((part) => part.text).join('')

/** A user's message may hold results of tools, which are turns of their own, before what the user says. */
function turnsOf({ role, content }: z.infer<typeof message>, param: string): Turn[] {
  if (role === 'assistant') {
    if (typeof content === 'string') return [{ role, text: content, calls: [], param }]
    const calls = content.flatMap((part) =>
      part.type === 'tool_use' ? [{ id: part.id, name: part.name, arguments: JSON.stringify(part.input) }] : [],
    )
    return [{ role, text: content.map((part) => (part.type === 'text' ? part.text : '')).join(''), calls, param }]
  }
  if (typeof content === 'string') return [{ role, parts: [{ text: content }], param }]
  const turns: Turn[] = []
  const parts: TurnPart[] = []
  for (const [i, part] of content.entries()) {
    const at = `${param}.content.${i}`
    if (part.type === 'tool_result')
      turns.push({ role: 'tool', callId: part.tool_use_id, text: joined(part.content ?? ''), param: at })
    else if (part.type === 'text') parts.push({ text: part.text })
    else {
      const { source } = part
      const inline = source.type === 'base64'
      const url = inline ? `data:image;base64,${source.data}` : source.url
      parts.push({ image: { url, param: `${at}.source.${inline ? 'data' : 'url'}`, detail: 'auto' } })
    }
  }
  return parts.length > 0 ? [...turns, { role, parts, param }] : turns
}

const STOP_REASONS = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use' } as const

/** Anthropic counts what came from the cache beside the rest of the prompt. */
function usageOf({ promptTokens, cachedTokens, completionTokens }: EngineUsage) {
  return {
    input_tokens: promptTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
  }
}

const toolBlock = ({ id, name, arguments: given }: ToolCall) => ({
  type: 'tool_use',
  id,
  name,
  input: JSON.parse(given) as Record<string, unknown>,
})

function whole(events: readonly ChoiceEvent[], base: object) {
  const content: ({ type: 'text'; text: string } | ReturnType<typeof toolBlock>)[] = []
  for (const one of events) {
    const last = content.at(-1)
    if (one.type === 'call') content.push(toolBlock(one.call))
    else if (one.type === 'text' && one.text !== '') {
      if (last && 'text' in last) last.text += one.text
      else content.push({ type: 'text', text: one.text })
    }
  }
  const end = events.at(-1)
  if (end?.type !== 'end') throw new Error('an answer without an end')
  return { ...base, content, stop_reason: STOP_REASONS[end.finishReason], stop_sequence: null, usage: usageOf(end.usage) }
}

async function* streamed(events: AsyncIterable<ChoiceEvent>, base: object): AsyncGenerator<string, void, void> {
  const send = (type: string, data: object) => event({ type, ...data }, type)
  let begun = false
  let index = -1
  let open = false
  // The prompt's counts are known at the end alone.
  const usage = { input_tokens: 0, output_tokens: 0 }
  for await (const one of events) {
    if (!begun) {
      begun = true
      yield send('message_start', { message: { ...base, content: [], stop_reason: null, stop_sequence: null, usage } })
    }
    if (one.type === 'text' && one.text !== '') {
      if (!open) yield send('content_block_start', { index: ++index, content_block: { type: 'text', text: '' } })
      open = true
      yield send('content_block_delta', { index, delta: { type: 'text_delta', text: one.text } })
    } else if (one.type !== 'text' && open) {
      open = false
      yield send('content_block_stop', { index })
    }
    if (one.type === 'call') {
      const { id, name, arguments: given } = one.call
      yield send('content_block_start', { index: ++index, content_block: { type: 'tool_use', id, name, input: {} } })
      yield send('content_block_delta', { index, delta: { type: 'input_json_delta', partial_json: given } })
      yield send('content_block_stop', { index })
    } else if (one.type === 'end') {
      const delta = { stop_reason: STOP_REASONS[one.finishReason], stop_sequence: null }
      yield send('message_delta', { delta, usage: usageOf(one.usage) })
      yield send('message_stop', {})
    }
  }
}

const ERROR_TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  503: 'overloaded_error',
}

/** An error as Anthropic's API has it. */
export function anthropicError({ status, message: text }: ApiError): object {
  return { type: 'error', error: { type: ERROR_TYPES[status] ?? 'invalid_request_error', message: text } }
}
