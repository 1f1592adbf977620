/** The engine in a process of its own, which is killed at every stage; what it held is counted. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  answered,
  fromSources,
  LONG,
  never,
  pictured,
  question,
  read,
  supervised,
  until,
} from '../../../tests/support/supervised.js'
import { DisposedError, InputError } from '../../common/errors.js'
import { packagedModel, packageRoot } from '../../common/package-root.js'
import { type EngineEvent, EngineLostError, type EngineRequest } from '../engine.js'
import { LocalEngine } from './local-engine.js'
import { CREDIT } from './protocol.js'
import type { Supervisor } from './supervisor.js'

let supervisor: Supervisor
let local: LocalEngine
/** Called with each line for the log. */
let onNotice: (line: string) => void
beforeAll(async () => {
  local = new LocalEngine({ models: [packagedModel], threads: 1 })
  supervisor = await supervised({ onNotice: (line) => onNotice(line) })
})
beforeEach(() => {
  onNotice = () => {}
})
afterAll(async () => {
  await Promise.all([local.close(), supervisor.close()])
})

/** What the worker holds that no cache keeps. */
async function counted() {
  await supervisor.clearCaches()
  return supervisor.counters()
}

/** Events without what depends on the moment: times, and what was in the caches. */
const timeless = (events: readonly EngineEvent[]) =>
  events.map((event) =>
    event.type === 'piece' ? event : { ...event, timings: undefined, usage: { ...event.usage, cachedTokens: undefined } },
  )
const isGone = (pid: number) => {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}
const kill = () => process.kill(supervisor.pid as number, 'SIGKILL')
const alive = () => until(() => supervisor.ready)

describe('a supervised engine', () => {
  it('gives what an engine in this process gives', async () => {
    expect(supervisor.ready).toBe(true)
    await local.prepare()
    expect(supervisor.models).toEqual(local.models)
    const text: EngineRequest = { ...question(''), prompt: { kind: 'text', text: 'The capital of Kenya is' } }
    const requests = [
      question('What is the capital of Kenya?', { logprobs: 3 }),
      pictured('What is this?'),
      question(LONG, { temperature: 1, seed: 3, maxNewTokens: 40 }),
      { ...text, options: { maxNewTokens: 8 } },
    ]
    const got = await Promise.all(requests.map((request) => read(supervisor.answer(request, never))))
    for (const [i, request] of requests.entries())
      expect(timeless(got[i] ?? [])).toEqual(timeless(await read(local.answer(request, never))))
    const inputs = [{ text: 'a house' }, { ids: [300, 400] }]
    expect(await supervisor.embed('nano', inputs, never)).toEqual(await local.embed('nano', inputs, never))
    expect((await supervisor.cacheStatistics()).image).toMatchObject({ entries: 1, misses: 1 })
  })

  it('passes errors on as what they are', async () => {
    const image = Buffer.from('no image')
    const messages = [{ role: 'user' as const, content: [{ type: 'image' as const, image }] }]
    const wrong: [EngineRequest, string][] = [
      [{ ...question('a'), model: 'mega' }, 'invalid_request'],
      [{ ...question('a'), prompt: { kind: 'chat', messages } }, 'invalid_image'],
      [question('word '.repeat(2000)), 'context_length_exceeded'],
      [question('a', { temperature: -1 }), 'invalid_request'],
    ]
    for (const [request, code] of wrong) {
      const expected = await read(local.answer(request, never)).catch((error: Error) => error)
      const error = await read(supervisor.answer(request, never)).catch((error: Error) => error)
      expect(error).toBeInstanceOf(InputError)
      expect(error).toMatchObject({ code, message: (expected as Error).message })
    }
    await expect(supervisor.embed('nano', [{ text: '' }], never)).rejects.toThrow(InputError)
    // What cannot be sent at all fails alone.
    const unsendable = { ...question('a'), options: { seed: (() => 1) as unknown as number } }
    await expect(read(supervisor.answer(unsendable, never))).rejects.toThrow('could not be cloned')
  })

  it('gives everything back when a reader leaves, at any moment and in any way', async () => {
    const before = await counted()
    expect(before).toMatchObject({ requests: 0, sequences: 0, unread: 0 })
    for (const request of [question(LONG), pictured(LONG)]) {
      for (const pieces of [0, 1, 7]) {
        const control = new AbortController()
        const aborted = supervisor.answer(request, control.signal)
        const left = supervisor.answer(request, never)
        for (let i = 0; i < pieces; i++) await Promise.all([aborted.next(), left.next()])
        const next = aborted.next()
        control.abort(new Error('enough'))
        if (pieces === 0) await expect(next).rejects.toThrow('enough')
        // Otherwise a piece may have been there.
        await next.catch(() => {})
        await left.return?.()
        expect(await left.next()).toEqual({ done: true, value: undefined })
      }
    }
    const embedding = new AbortController()
    const vectors = supervisor.embed('nano', [{ text: 'a' }], embedding.signal)
    embedding.abort(new Error('enough'))
    await expect(vectors).rejects.toThrow('enough')
    await expect(read(supervisor.answer(question('a'), embedding.signal))).rejects.toThrow('enough')
    await until(async () => (await supervisor.counters()).requests === 0)
    expect(await counted()).toEqual(before)
  })

  it('stops for a reader who stops reading, and goes on where it stopped', async () => {
    const parked = supervisor.answer(question(LONG), never)
    const first = await parked.next()
    await until(async () => (await supervisor.counters()).unread === CREDIT)
    // Meanwhile others are served, and nothing more is sent to the first.
    const other = await read(supervisor.answer(question(LONG), never))
    expect(other.length).toBeGreaterThan(2 * CREDIT)
    expect((await supervisor.counters()).unread).toBe(CREDIT)
    expect(timeless([first.value as EngineEvent, ...(await read(parked))])).toEqual(timeless(other))
    expect(await supervisor.counters()).toMatchObject({ requests: 0, unread: 0 })
  })
})

describe('a worker that is killed', () => {
  it('while it is idle, is replaced', async () => {
    const { pid } = supervisor
    kill()
    await until(() => supervisor.pid !== pid)
    expect(supervisor.ready).toBe(false)
    expect(supervisor.models[0]?.loaded).toBe(false)
    await alive()
    expect(supervisor.models[0]?.loaded).toBe(true)
    expect(await counted()).toMatchObject({ requests: 0, sequences: 0, unread: 0 })
  })

  it('before the first piece, costs time and nothing else, also when the next is killed while it loads', async () => {
    const { pid } = supervisor
    const requests = [question('What is the capital of Kenya?'), pictured('What is this?')]
    const answers = Promise.all(requests.map((request) => answered(supervisor.answer(request, never))))
    const vectors = supervisor.embed('nano', [{ text: 'a' }], never)
    kill()
    await until(() => supervisor.pid !== undefined && supervisor.pid !== pid)
    kill()
    expect(await answers).toEqual(await Promise.all(requests.map((request) => answered(local.answer(request, never)))))
    expect(await vectors).toEqual(await local.embed('nano', [{ text: 'a' }], never))
  })

  it('in the middle, ends what has streamed with an error, and repeats the rest', async () => {
    const streaming = supervisor.answer(question(LONG), never)
    expect((await streaming.next()).done).toBe(false)
    const waiting = answered(supervisor.answer(question('What is the capital of Kenya?'), never))
    kill()
    const rest = await read(streaming).catch((error: Error) => error)
    expect(rest).toBeInstanceOf(EngineLostError)
    expect(rest).toMatchObject({ message: expect.stringMatching(/^the engine's process ended \(killed by SIGKILL\) before/) })
    expect(await waiting).toEqual({ text: 'Kenyan', end: 'stop' })
    expect(await counted()).toMatchObject({ requests: 0, sequences: 0, unread: 0 })
  })

  it('twice by the same request, is not given it again', async () => {
    const lines: string[] = []
    onNotice = (line) => {
      lines.push(line)
      // Nothing of the request can have come by then.
      if (line === 'the engine is back' && lines.filter((one) => one === line).length === 1) kill()
    }
    const poison = read(supervisor.answer(question(LONG), never))
    kill()
    await expect(poison).rejects.toThrow(EngineLostError)
    await alive()
    expect(lines).toEqual([
      "the engine's process ended: killed by SIGKILL",
      'the engine is back',
      "the engine's process ended: killed by SIGKILL",
      'the engine is back',
    ])
    expect(await answered(supervisor.answer(question('What is the capital of Kenya?'), never))).toEqual({
      text: 'Kenyan',
      end: 'stop',
    })
  })
})

describe('a supervisor', () => {
  it('does not start over models that cannot be loaded, or a process that dies each time', async () => {
    await expect(supervised({ models: [join(packageRoot, 'none')] })).rejects.toThrow(InputError)
    const lines: string[] = []
    const dying = supervised({
      execArgv: ['--import', 'data:text/javascript,process.exit(3)'],
      onNotice: (line) => lines.push(line),
    })
    await expect(dying).rejects.toThrow(
      "the engine's process ended 3 times while it started (exit code 3); is there enough memory",
    )
    expect(lines).toHaveLength(3)
  })

  it('that closes cuts off what nobody reads when its patience ends', async () => {
    const own = await supervised({ graceMs: 20 })
    const parked = own.answer(question(LONG), never)
    await parked.next()
    const pid = own.pid as number
    await own.close()
    expect(isGone(pid)).toBe(true)
    await expect(read(parked)).rejects.toThrow('the server was closed before the answer ended')
  })

  it.skipIf(process.platform === 'win32')('that is killed takes its worker along', async () => {
    const script = join(packageRoot, 'tests', 'support', 'supervisor-child.ts')
    const child = spawn(process.execPath, [...fromSources, script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(child.stdout, 'data')
    const pid = Number(String(line))
    expect(isGone(pid)).toBe(false)
    child.kill('SIGKILL')
    await until(() => isGone(pid))
  })

  it('that closes lets answers end, takes no new ones, and ends the worker', async () => {
    const pid = supervisor.pid as number
    const inFlight = supervisor.answer(question(LONG), never)
    await inFlight.next()
    const closed = supervisor.close()
    expect(supervisor.ready).toBe(false)
    await expect(read(supervisor.answer(question('a'), never))).rejects.toThrow(DisposedError)
    await expect(supervisor.cacheStatistics()).rejects.toThrow(DisposedError)
    expect((await read(inFlight)).at(-1)).toMatchObject({ type: 'end', finishReason: 'stop' })
    await closed
    expect(isGone(pid)).toBe(true)
  })
})
