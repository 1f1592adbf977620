/** Asking: questions are added to the conversation, and answers stream into it, whichever conversation is shown meanwhile. */
import { signal } from '@preact/signals'
import { branchTo } from '../../../src/server/app-api/branch'
import type { MessageDetails } from '../../../src/server/app-api/records'
import { AwayError, noticeAway, put, RefusedError, request, untilReady } from '../lib/api'
import { preferences } from '../lib/preferences'
import { serverEvents } from '../lib/sse'
import { t } from '../lib/words'
import {
  addMessage,
  changeMessage,
  createConversation,
  currentId,
  keepMessage,
  type Message,
  messagePath,
  opened,
} from './conversations'
import { imageData } from './images'
import { model } from './models'

/** Answers that are being written, by message. */
export const running = signal<ReadonlyMap<string, AbortController>>(new Map())

/** How often an unfinished answer is written to the server. */
const KEEP_MS = 2000
const TITLE_LENGTH = 60
/** How often a question is sent of which nothing was heard. */
const TRIES = 4

/** Asks in the conversation that is shown, or in a new one. Returns its id. */
export function ask(text: string, images: readonly string[]): string {
  const known = currentId.value === undefined ? undefined : opened.value.get(currentId.value)
  const { id, leaf } = known ?? createConversation(titleOf(text))
  const question = addMessage(id, { parent: leaf, role: 'user', text, images: [...images], state: 'done', details: {} })
  void answer(id, question)
  return id
}

/** Asks a question in other words: a new version of it, with an answer of its own. */
export function askAgain(conversation: string, question: Message, text: string): void {
  const { parent, images } = question
  const version = addMessage(conversation, { parent, role: 'user', text, images, state: 'done', details: {} })
  void answer(conversation, version)
}

/** Answers the question of an answer once more: a new version of the answer. */
export function retry(conversation: string, old: Message): void {
  const question = opened.value.get(conversation)?.messages.find(({ id }) => id === old.parent)
  if (question) void answer(conversation, question)
}

export function stop(message: string): void {
  running.value.get(message)?.abort()
}

function titleOf(text: string): string {
  const line = [...(text.trim().split('\n')[0] ?? '')]
  return line.length > TITLE_LENGTH ? `${line.slice(0, TITLE_LENGTH - 1).join('')}…` : line.join('')
}

async function answer(conversation: string, question: Message): Promise<void> {
  const used = model.value?.id
  const { temperature } = preferences.value.sampling
  const details: MessageDetails = { ...(used === undefined ? {} : { model: used }), temperature }
  const message = addMessage(conversation, {
    parent: question.id,
    role: 'assistant',
    text: '',
    images: [],
    state: 'writing',
    details,
  })
  const controller = new AbortController()
  running.value = new Map(running.value).set(message.id, controller)

  let text = ''
  let shown = 0
  let kept = performance.now()
  // The page is drawn once a frame, however many tokens come.
  const show = () => {
    shown = 0
    changeMessage(conversation, message.id, { text })
  }
  let end: Partial<Message>
  try {
    const history = branchTo(opened.value.get(conversation)?.messages ?? [], question.id)
    const result = await patiently(
      controller.signal,
      () => text === '',
      () =>
        stream(history, used, controller.signal, (piece) => {
          text += piece
          shown ||= requestAnimationFrame(show)
          if (performance.now() - kept < KEEP_MS) return
          kept = performance.now()
          keepMessage(conversation, { ...message, text })
        }),
    )
    end = { state: result.length ? 'length' : 'done', details: { ...details, ...result.details } }
  } catch (error) {
    if (controller.signal.aborted) end = { state: 'stopped' }
    else end = { state: 'broken', details: { ...details, error: reasonOf(error) } }
  }
  cancelAnimationFrame(shown)
  const others = new Map(running.value)
  others.delete(message.id)
  running.value = others
  const changed = changeMessage(conversation, message.id, { ...end, text })
  if (changed) keepMessage(conversation, changed)
}

/** A server that went away before anything came is asked again when it is back; a few times, in case it goes because of what it is asked. */
async function patiently<T>(signal: AbortSignal, unheard: () => boolean, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      const gone = error instanceof AwayError || (error instanceof RefusedError && error.status === 503)
      if (!gone || !unheard() || signal.aborted || tries === TRIES) throw error
      noticeAway(error instanceof AwayError ? 'away' : 'starting')
      await untilReady(signal)
    }
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof RefusedError) return error.status === 429 || error.status === 503 ? t.value.busy : error.message
  return error instanceof AwayError ? '' : error instanceof Error ? error.message : String(error)
}

interface StreamEnd {
  readonly length: boolean
  readonly details: Partial<MessageDetails>
}

/** What is read of a chunk of `/v1/chat/completions`. */
interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null }; readonly finish_reason?: string | null }[]
  readonly usage?: Usage | null
  readonly error?: { readonly message?: string }
  /** Of the server itself: pieces reach a page in lumps, whose pace says little. */
  readonly timings?: { readonly tokens_per_second?: number }
}

interface Usage {
  readonly prompt_tokens?: number
  readonly completion_tokens?: number
  readonly prompt_tokens_details?: {
    readonly cached_tokens?: number
    readonly image_tokens?: number
  }
  /** What the model saw of each image of the prompt. */
  readonly images?: readonly { readonly width: number; readonly height: number; readonly tokens: number }[]
}

async function stream(
  history: readonly Message[],
  used: string | undefined,
  signal: AbortSignal,
  onPiece: (piece: string) => void,
): Promise<StreamEnd> {
  const began = performance.now()
  const response = await request('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      ...(used === undefined ? {} : { model: used }),
      messages: await modelMessages(history),
      stream: true,
      stream_options: { include_usage: true },
      ...sampling(),
    }),
    signal,
  })
  if (!response.body) throw new AwayError('no answer came')
  let first = 0
  let finish: string | undefined
  let usage: Usage | undefined
  let speed: number | undefined
  try {
    for await (const data of serverEvents(response.body)) {
      if (data === '[DONE]') break
      const chunk = JSON.parse(data) as Chunk
      if (chunk.error) throw new RefusedError(500, chunk.error.message ?? t.value.failed)
      usage = chunk.usage ?? usage
      speed = chunk.timings?.tokens_per_second ?? speed
      const choice = chunk.choices?.[0]
      finish = choice?.finish_reason ?? finish
      const piece = choice?.delta?.content
      if (!piece) continue
      first ||= performance.now()
      onPiece(piece)
    }
  } catch (error) {
    if (signal.aborted || error instanceof RefusedError) throw error
    noticeAway()
    throw new AwayError('the answer broke off')
  }
  if (finish === undefined) {
    noticeAway()
    throw new AwayError('the answer broke off')
  }
  const { prompt_tokens: promptTokens, completion_tokens: completionTokens, prompt_tokens_details: prompt } = usage ?? {}
  const numbers = {
    promptTokens,
    completionTokens,
    imageTokens: prompt?.image_tokens,
    cachedTokens: prompt?.cached_tokens,
    seen: usage?.images?.map(({ width, height, tokens }) => ({ width, height, tokens })),
    firstTokenMs: first === 0 ? undefined : Math.round(first - began),
    tokensPerSecond: speed ? Math.round(speed * 10) / 10 : undefined,
  }
  return {
    length: finish === 'length',
    details: Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined)),
  }
}

function sampling(): Record<string, number> {
  const { temperature, topP, topK, repetitionPenalty, maxTokens, seed } = preferences.value.sampling
  return {
    temperature,
    max_tokens: maxTokens,
    ...(temperature > 0
      ? { top_p: topP, ...(topK > 0 ? { top_k: topK } : {}), seed: seed ?? Math.floor(Math.random() * 2 ** 31) }
      : {}),
    ...(repetitionPenalty === 1 ? {} : { repetition_penalty: repetitionPenalty }),
  }
}

/** A branch as the messages of a request, images as data: URLs. Questions without an answer are left out, but for the last. */
export async function modelMessages(history: readonly Message[]): Promise<unknown[]> {
  const instructions = preferences.value.instructions.trim()
  const messages: unknown[] = instructions === '' ? [] : [{ role: 'system', content: instructions }]
  for (const [i, { role, text, images }] of history.entries()) {
    const next = history[i + 1]
    if (role === 'assistant') messages.push({ role, content: text })
    else if (!next || next.role === 'assistant') {
      const shown = await Promise.all(images.map(async (id) => ({ type: 'image_url', image_url: { url: await imageData(id) } })))
      messages.push({ role, content: shown.length === 0 ? text : [...shown, { type: 'text', text }] })
    }
  }
  return messages
}

// A page that is left writes down how far its answers came.
addEventListener('pagehide', () => {
  for (const [id] of running.value) {
    for (const [conversation, { messages }] of opened.value) {
      const message = messages.find((one) => one.id === id)
      if (!message) continue
      const { id: _, created: __, ...fields } = { ...message, state: 'broken' as const }
      void put(messagePath(conversation, id), fields, { keepalive: true }).catch(() => {})
    }
  }
})
