/**
 * The engine's process: everything native happens here, the decoding of images included. It serves its parent, which starts it through
 * `WorkerProcess`, and ends with it.
 */
import { writeSync } from 'node:fs'
import type { EngineEvent } from '../engine.js'
import { LocalEngine } from './local-engine.js'
import { type Call, type CallValues, CREDIT, type FromWorker, packError, type ToWorker } from './protocol.js'

/** Work that has not ended. */
interface Open {
  readonly abort: AbortController
  /** Events that may be sent now. */
  credit: number
  onCredit?: () => void
}

const open = new Map<number, Open>()
let engine: LocalEngine | undefined

function send(message: FromWorker): void {
  // A parent that is gone is noticed as a disconnect.
  process.send?.(message, undefined, undefined, () => {})
}

async function start(settings: ConstructorParameters<typeof LocalEngine>[0]): Promise<void> {
  try {
    const made = new LocalEngine(settings, {
      onChange: () => engine && send({ type: 'models', models: engine.models }),
      onNotice: (line) => send({ type: 'notice', line }),
    })
    await made.prepare()
    engine = made
    send({ type: 'started', models: made.models })
  } catch (error) {
    process.send?.({ type: 'refused', error: packError(error) } satisfies FromWorker, () => process.exit(1))
  }
}

/** Runs `work` under an id; its failure is sent, unless it was aborted: nobody listens then. */
async function under(id: number, work: (one: Open) => Promise<void>): Promise<void> {
  const one: Open = { abort: new AbortController(), credit: CREDIT }
  open.set(id, one)
  try {
    await work(one)
  } catch (error) {
    if (!one.abort.signal.aborted) send({ type: 'failed', id, error: packError(error) })
  } finally {
    open.delete(id)
  }
}

async function pass(id: number, events: AsyncIterable<EngineEvent>, one: Open): Promise<void> {
  for await (const event of events) {
    while (one.credit === 0 && !one.abort.signal.aborted) {
      await new Promise<void>((resolve) => {
        one.onCredit = resolve
      })
    }
    if (one.abort.signal.aborted) return
    one.credit--
    send({ type: 'event', id, event })
  }
}

async function called(running: LocalEngine, call: Call, signal: AbortSignal): Promise<CallValues[Call['kind']]> {
  if (call.kind === 'embed') return running.embed(call.model, call.inputs, signal)
  if (call.kind === 'inside') return running.inside(call.request, signal)
  if (call.kind === 'statistics') return running.cacheStatistics()
  if (call.kind === 'clear') return running.clearCaches() as Promise<undefined>
  const unread = [...open.values()].reduce((n, { credit }) => n + CREDIT - credit, 0)
  return { ...(await running.counters()), unread }
}

function receive(message: ToWorker): void {
  if (message.type === 'start') void start(message.settings)
  else if (message.type === 'close') void (engine?.close() ?? Promise.resolve()).then(() => process.exit(0))
  else if (message.type === 'credit' || message.type === 'abort') {
    const one = open.get(message.id)
    if (message.type === 'abort') one?.abort.abort()
    else if (one) one.credit += message.events
    one?.onCredit?.()
  } else {
    const { id } = message
    const running = engine as LocalEngine
    if (message.type === 'answer') void under(id, (one) => pass(id, running.answer(message.request, one.abort.signal), one))
    else {
      void under(id, async ({ abort }) => {
        const value = await called(running, message.call, abort.signal)
        if (!abort.signal.aborted) send({ type: 'value', id, value })
      })
    }
  }
}

/** One line in place of a stack; the supervisor starts another worker. */
function failed(error: unknown): never {
  const { message = String(error), stack = message } = error instanceof Error ? error : {}
  writeSync(2, `engine: ${process.env.XCOMPOSER_DEBUG === '1' ? stack : message.replace(/\s+/g, ' ')}\n`)
  process.exit(1)
}

process.on('uncaughtException', failed)
process.on('message', receive)
// Nothing is to be saved, and native threads may be in the middle of a pass: no exit handlers.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
// A terminal's interrupt and a service manager's signal reach the whole group; the supervisor decides when this process ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
