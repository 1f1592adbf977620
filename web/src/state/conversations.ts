/**
 * The conversations that this page knows. What changes is shown at once and written to the server behind it, in order; writes that fail
 * because the server is away wait until it is back. Writes can be sent twice: ids are made here.
 */
import { computed, signal } from '@preact/signals'
import { branchTo } from '../../../src/server/app-api/branch'
import type { Conversation, ConversationSummary, StoredMessage } from '../../../src/server/app-api/records'
import { AwayError, noticeAway, put, RefusedError, request, requestJson, whenBack } from '../lib/api'
import { newId } from '../lib/id'

export type Message = StoredMessage

/** Those that were opened, by id. */
export const opened = signal<ReadonlyMap<string, Conversation>>(new Map())
/** The list beside the conversation; undefined until it is read. */
export const summaries = signal<readonly ConversationSummary[] | undefined>(undefined)
export const searchText = signal('')
/** The one that is shown; undefined: a new one. */
export const currentId = signal<string | undefined>(undefined)
/** A conversation that was asked for and is not there. */
export const missingId = signal<string | undefined>(undefined)

export const current = computed(() => (currentId.value === undefined ? undefined : opened.value.get(currentId.value)))
/** The messages that are shown. */
export const branch = computed<readonly Message[]>(() =>
  current.value ? branchTo(current.value.messages, current.value.leaf) : [],
)

export async function loadSummaries(): Promise<void> {
  const query = searchText.value
  const { conversations } = await requestJson<{ conversations: ConversationSummary[] }>(
    `/app/conversations?query=${encodeURIComponent(query)}`,
  )
  if (query === searchText.value) summaries.value = conversations
}

/** Shows a conversation, reading it first where it was not opened yet. */
export async function openConversation(id: string): Promise<void> {
  currentId.value = id
  if (opened.value.has(id)) return
  try {
    const conversation = await requestJson<Conversation>(`/app/conversations/${id}`)
    if (!opened.value.has(id)) set(conversation)
  } catch (error) {
    if (error instanceof RefusedError && error.status === 404) missingId.value = id
    else if (!(error instanceof AwayError || error instanceof RefusedError)) throw error
  }
}

/** A new conversation, not shown yet. */
export function createConversation(title: string): Conversation {
  const now = Date.now()
  const conversation: Conversation = { id: newId(), title, created: now, updated: now, leaf: null, messages: [] }
  set(conversation)
  write(`/app/conversations/${conversation.id}`, { title })
  return conversation
}

export function renameConversation(id: string, title: string): void {
  const conversation = opened.value.get(id)
  if (conversation) set({ ...conversation, title })
  summaries.value = summaries.value?.map((summary) => (summary.id === id ? { ...summary, title } : summary))
  write(`/app/conversations/${id}`, { title })
}

/** @throws AwayError, RefusedError */
export async function deleteConversation(id: string): Promise<void> {
  await writing
  try {
    await request(`/app/conversations/${id}`, { method: 'DELETE' })
  } catch (error) {
    if (!(error instanceof RefusedError && error.status === 404)) throw error
  }
  const others = new Map(opened.value)
  others.delete(id)
  opened.value = others
  summaries.value = summaries.value?.filter((summary) => summary.id !== id)
}

export function setLeaf(id: string, leaf: string): void {
  const conversation = opened.value.get(id)
  if (!conversation || conversation.leaf === leaf) return
  set({ ...conversation, leaf })
  write(`/app/conversations/${id}`, { leaf })
}

/** Adds a message at the end of the branch that its parent ends. */
export function addMessage(conversation: string, message: Omit<Message, 'id' | 'created'>): Message {
  const added: Message = { ...message, id: newId(), created: Date.now() }
  const known = opened.value.get(conversation)
  if (!known) throw new Error(`conversation ${conversation} is not open`)
  set({ ...known, messages: [...known.messages, added], leaf: added.id, updated: added.created })
  keepMessage(conversation, added)
  write(`/app/conversations/${conversation}`, { leaf: added.id })
  return added
}

/** Changes a message on the page; `keepMessage` writes it. */
export function changeMessage(conversation: string, id: string, changes: Partial<Message>): Message | undefined {
  const known = opened.value.get(conversation)
  const message = known?.messages.find((one) => one.id === id)
  if (!known || !message) return undefined
  const changed = { ...message, ...changes }
  set({ ...known, messages: known.messages.map((one) => (one.id === id ? changed : one)) })
  return changed
}

export function messagePath(conversation: string, id: string): string {
  return `/app/conversations/${conversation}/messages/${id}`
}

export function keepMessage(conversation: string, { id, created: _, ...fields }: Message): void {
  write(messagePath(conversation, id), fields)
}

function set(conversation: Conversation): void {
  opened.value = new Map(opened.value).set(conversation.id, conversation)
  const { id, title, updated, leaf, messages } = conversation
  if (searchText.value !== '' || !summaries.value) return
  const others = summaries.value.filter((summary) => summary.id !== id)
  const last = messages.find((message) => message.id === leaf)
  // The list shows one line of the last message.
  const excerpt = last?.text.slice(0, 100) ?? ''
  summaries.value = [{ id, title, updated, excerpt }, ...others].sort((a, b) => b.updated - a.updated)
}

interface Write {
  readonly path: string
  body: unknown
}

const waiting: Write[] = []
let writing: Promise<void> = Promise.resolve()
let isWriting = false

function write(path: string, body: Record<string, unknown>): void {
  const last = waiting.at(-1)
  // The newest state of a message that is being written is enough.
  if (last?.path === path && waiting.length > 1) last.body = { ...(last.body as object), ...body }
  else waiting.push({ path, body })
  if (!isWriting) writing = writeAll()
}

async function writeAll(): Promise<void> {
  isWriting = true
  try {
    for (let next = waiting[0]; next; next = waiting[0]) {
      try {
        await put(next.path, next.body)
      } catch (error) {
        if (!(error instanceof RefusedError)) return
        // Busy, starting or asking for a key: the same write will do later. Anything else will never do.
        if (error.status === 401 || error.status === 429 || error.status >= 500) {
          if (error.status >= 500) noticeAway()
          return
        }
      }
      waiting.shift()
    }
  } finally {
    isWriting = false
  }
}

/** Sends what waits. */
export function writeWaiting(): void {
  if (waiting.length > 0 && !isWriting) writing = writeAll()
}

whenBack(writeWaiting)
