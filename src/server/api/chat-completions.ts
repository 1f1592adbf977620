/** `POST /v1/chat/completions`: OpenAI's chat, streamed or whole. */
import { z } from 'zod'
import { type AnswerPlan, answers, type ChoiceEvent, type Timings, totalUsage } from '../answers.js'
import { chosenModel, type RequestContext, type ServerContext } from '../context.js'
import { chatMessages, type Turn } from '../dialogue.js'
import type { EngineUsage } from '../engine.js'
import { fieldError } from '../errors.js'
import { event } from '../event-stream.js'
import { answerBody, answerStream, jsonBody } from '../respond.js'
import type { ToolCall } from '../tools.js'
import * as fields from './fields.js'
import { logprobObject, timingsObject, usageObject } from './usage.js'

const text = z.object({ type: z.literal('text'), text: z.string() })
const image = z.object({
  type: z.literal('image_url'),
  image_url: z.union(
    [
      z.object({ url: z.string(), detail: z.enum(['auto', 'low', 'high']).nullish() }),
      z.string().transform((url) => ({ url, detail: undefined })),
    ],
    { error: 'expected { "url": ... }' },
  ),
})
const texts = z.union([z.string(), z.array(text)], { error: 'expected a text or a list of text parts' })
const userContent = z.union(
  [z.string(), z.array(z.discriminatedUnion('type', [text, image], { error: 'expected a part of the type text or image_url' }))],
  { error: 'expected a text or a list of parts' },
)
const call = z.object({
  id: z.string(),
  type: z.literal('function').nullish(),
  function: z.object({ name: z.string(), arguments: z.string() }),
})
export const message = z.discriminatedUnion(
  'role',
  [
    z.object({ role: z.enum(['system', 'developer']), content: texts }),
    z.object({ role: z.literal('user'), content: userContent }),
    z.object({ role: z.literal('assistant'), content: texts.nullish(), tool_calls: z.array(call).nullish() }),
    z.object({ role: z.literal('tool'), content: texts, tool_call_id: z.string() }),
  ],
  { error: 'expected the role system, developer, user, assistant or tool' },
)
const tool = z.object({
  type: z.literal('function'),
  function: z.object({ name: fields.functionName, description: z.string().nullish(), parameters: fields.parameters }),
})

export const chatCompletionRequest = z.object({
  model: fields.model,
  messages: z.array(message).min(1),
  ...fields.choosing,
  max_tokens: fields.tokenLimit,
  max_completion_tokens: fields.tokenLimit,
  logprobs: z.boolean().nullish(),
  top_logprobs: fields.topLogprobs,
  response_format: fields.responseFormat.nullish(),
  tools: fields.toolList(tool),
  tool_choice: z
    .union(
      [z.enum(['auto', 'none', 'required']), z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) })],
      {
        error: 'expected auto, none, required, or { "type": "function", "function": { "name": ... } }',
      },
    )
    .nullish(),
  modalities: z.array(z.literal('text')).nullish(),
  functions: z.null().optional().describe('Use tools.'),
})
type ChatCompletionRequest = z.infer<typeof chatCompletionRequest>

export async function chatCompletions(c: RequestContext, server: ServerContext): Promise<Response> {
  const asked = await jsonBody(c, server, chatCompletionRequest)
  const plan = await planOf(c, server, asked)
  const base = { id: `chatcmpl-${c.get('requestId')}`, created: Math.floor(Date.now() / 1000), model: plan.model.id }
  const events = answers(c, server, plan)
  if (asked.stream) return answerStream(c, server, 'messages', chunks(events, base, asked, plan.n), 'data: [DONE]\n\n')
  return answerBody(c, events, 'messages', (all) => completion(all, base, asked, plan.n))
}

async function planOf(c: RequestContext, server: ServerContext, asked: ChatCompletionRequest): Promise<AnswerPlan> {
  const model = chosenModel(server.engine, asked.model)
  if (asked.top_logprobs != null && asked.logprobs !== true) throw fieldError('top_logprobs', 'needs "logprobs": true')
  const choice = asked.tool_choice ?? 'auto'
  const tools = fields.toolChoice(
    (asked.tools ?? []).map(({ function: { name, description, parameters } }) => ({
      name,
      description: description ?? undefined,
      parameters: parameters ?? undefined,
    })),
    typeof choice === 'string' ? choice : choice.function,
  )
  const options = {
    ...fields.choosingOptions(asked, asked.max_completion_tokens ?? asked.max_tokens),
    ...fields.constraintOf(asked.response_format),
    ...(asked.logprobs ? { logprobs: asked.top_logprobs ?? 0 } : {}),
  }
  const turns = asked.messages.map(turnOf)
  const messages = await chatMessages(turns, tools?.tools ?? [], 'messages', model, server, c.get('abort').signal)
  return { model, prompts: [{ kind: 'chat', messages }], n: asked.n ?? 1, options, tools }
}

/** A message as a turn of the dialogue. */
export function turnOf(one: z.infer<typeof message>, i: number): Turn {
  const param = `messages.${i}`
  switch (one.role) {
    case 'system':
    case 'developer':
      return { role: 'system', text: joined(one.content), param }
    case 'tool':
      return { role: 'tool', callId: one.tool_call_id, text: joined(one.content), param }
    case 'assistant': {
      const calls = (one.tool_calls ?? []).map(({ id, function: { name, arguments: given } }) => ({ id, name, arguments: given }))
      return { role: 'assistant', text: joined(one.content ?? ''), calls, param }
    }
    case 'user': {
      const parts = typeof one.content === 'string' ? [{ type: 'text' as const, text: one.content }] : one.content
      return {
        role: 'user',
        param,
        parts: parts.map((part, at) =>
          part.type === 'text'
            ? { text: part.text }
            : {
                image: {
                  url: part.image_url.url,
                  param: `${param}.content.${at}.image_url.url`,
                  detail: part.image_url.detail ?? 'auto',
                },
              },
        ),
      }
    }
  }
}

const joined = (content: z.infer<typeof texts>): string =>
  typeof content === 'string' ? content : content.map((part) => part.text).join('')

interface Base {
  readonly id: string
  readonly created: number
  readonly model: string
}

function completion(events: readonly ChoiceEvent[], base: Base, asked: ChatCompletionRequest, n: number) {
  const choices = Array.from({ length: n }, (_, index) =>
    choiceOf(
      events.filter(({ choice }) => choice === index),
      index,
      asked,
    ),
  )
  const ends = Array.from({ length: n }, (_, index) => endOf(events, index))
  return {
    ...base,
    object: 'chat.completion',
    choices,
    usage: usageObject(
      totalUsage(
        ends.map(({ usage }) => usage),
        n,
      ),
    ),
    timings: timingsObject((ends[0] as { timings: Timings }).timings),
  }
}

function endOf(events: readonly ChoiceEvent[], index: number): { readonly usage: EngineUsage; readonly timings: Timings } {
  const end = events.find((one) => one.choice === index && one.type === 'end')
  if (end?.type !== 'end') throw new Error('an answer without an end')
  return end
}

function choiceOf(events: readonly ChoiceEvent[], index: number, { logprobs }: ChatCompletionRequest) {
  const content = events.map((one) => (one.type === 'text' ? one.text : '')).join('')
  const calls = events.flatMap((one) => (one.type === 'call' ? [callObject(one.call)] : []))
  const end = events.at(-1)
  return {
    index,
    message: {
      role: 'assistant',
      content: content === '' && calls.length > 0 ? null : content,
      refusal: null,
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
    },
    finish_reason: end?.type === 'end' ? end.finishReason : null,
    logprobs: logprobs
      ? { content: events.flatMap((one) => (one.type === 'text' ? (one.logprobs ?? []).map(logprobObject) : [])), refusal: null }
      : null,
  }
}

const callObject = ({ id, name, arguments: given }: ToolCall) => ({ id, type: 'function', function: { name, arguments: given } })

/** The events of a stream. */
async function* chunks(
  events: AsyncIterable<ChoiceEvent>,
  base: Base,
  { logprobs, stream_options: streamOptions }: ChatCompletionRequest,
  n: number,
): AsyncGenerator<string, void, void> {
  const withUsage = streamOptions?.include_usage === true
  const chunk = (choices: readonly object[], more: object = {}) =>
    event({ ...base, object: 'chat.completion.chunk', choices, ...(withUsage ? { usage: null } : {}), ...more })
  const piece = (index: number, delta: object, finish: string | null = null, known: object | null = null) => ({
    index,
    delta,
    finish_reason: finish,
    logprobs: known,
  })
  const calls = new Array<number>(n).fill(0)
  const begun = new Set<number>()
  const ends: EngineUsage[] = []
  for await (const one of events) {
    const index = one.choice
    if (!begun.has(index)) yield chunk([piece(index, { role: 'assistant', content: '', refusal: null })])
    begun.add(index)
    if (one.type === 'text') {
      const known = logprobs ? { content: (one.logprobs ?? []).map(logprobObject), refusal: null } : null
      if (one.text !== '' || one.logprobs?.length) yield chunk([piece(index, { content: one.text }, null, known)])
    } else if (one.type === 'call') {
      const at = calls[index] as number
      calls[index] = at + 1
      yield chunk([piece(index, { tool_calls: [{ index: at, ...callObject(one.call) }] })])
    } else {
      ends[index] = one.usage
      yield chunk([piece(index, {}, one.finishReason)], { timings: timingsObject(one.timings) })
    }
  }
  if (withUsage) yield chunk([], { usage: usageObject(totalUsage(ends, n)) })
}
