/** Requests to the server that this page came from: the key, errors as one sentence, and whether the server is there. */
import { effect, signal } from '@preact/signals'

/** `away`: nothing answers; `starting`: it answers, but its model cannot yet. */
export type Connection = 'ready' | 'starting' | 'away'
export const connection = signal<Connection>('ready')
/** The server wants a key that this page does not have. */
export const needsKey = signal(false)

const KEY = 'xcomposer.key'
let key = localStorage.getItem(KEY) ?? ''

/** Uses and keeps a key. */
export function enterKey(value: string): void {
  key = value
  localStorage.setItem(KEY, value)
  needsKey.value = false
}

/** The server did not answer, or the answer broke off. */
export class AwayError extends Error {
  override readonly name = 'AwayError'
}

/** The server answered that it will not. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

/**
 * One request; the response is good.
 * @throws AwayError, RefusedError, or the signal's reason
 */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers)
  if (key) headers.set('authorization', `Bearer ${key}`)
  let response: Response
  try {
    response = await fetch(path, { ...init, headers })
  } catch (error) {
    if (init.signal?.aborted) throw error
    noticeAway()
    throw new AwayError('the server did not answer')
  }
  if (response.ok) return response
  if (response.status === 401) needsKey.value = true
  throw new RefusedError(response.status, await errorText(response))
}

export async function requestJson<T>(path: string, init?: RequestInit): Promise<T> {
  return (await (await request(path, init)).json()) as T
}

/** Sends JSON; nothing comes back. */
export async function put(path: string, body: unknown, init: RequestInit = {}): Promise<void> {
  await request(path, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), ...init })
}

async function errorText(response: Response): Promise<string> {
  try {
    const { error } = (await response.json()) as { error?: { message?: string } | string }
    const message = typeof error === 'string' ? error : error?.message
    if (message) return message
  } catch {
    // Not of this server's form: a proxy's page.
  }
  return `${response.status} ${response.statusText}`
}

/** How often it is looked whether the server is there: while all is well, and while it is not. */
const CALM_MS = 20_000
const EAGER_MS = 1_000

let timer: ReturnType<typeof setTimeout> | undefined
const onReady: (() => void)[] = []

/** Calls `action` each time the server is there again. */
export function whenBack(action: () => void): void {
  onReady.push(action)
}

/** Something failed that looks as if the server was gone, or could not answer yet. */
export function noticeAway(looks: 'away' | 'starting' = 'away'): void {
  if (connection.value === 'ready') connection.value = looks
  clearTimeout(timer)
  timer = setTimeout(check, EAGER_MS / 4)
}

/** Waits for the server. @throws the signal's reason */
export async function untilReady(signal: AbortSignal): Promise<void> {
  let stop = () => {}
  try {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      stop = effect(() => {
        if (connection.value === 'ready') resolve()
      })
    })
  } finally {
    stop()
  }
}

async function check(): Promise<void> {
  clearTimeout(timer)
  let now: Connection
  try {
    const { ok } = await fetch('/readyz', { cache: 'no-store', signal: AbortSignal.timeout(5000) })
    now = ok ? 'ready' : 'starting'
  } catch {
    now = 'away'
  }
  const before = connection.value
  connection.value = now
  if (now === 'ready' && before !== 'ready') for (const action of onReady) action()
  timer = setTimeout(check, now === 'ready' ? CALM_MS : EAGER_MS)
}

/** Looks from now on whether the server is there; at once when the page is shown or the network comes back. */
export function watchConnection(): void {
  addEventListener('online', () => void check())
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) void check()
  })
  void check()
}
