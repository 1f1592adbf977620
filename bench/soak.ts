/**
 * `bench -- soak`: a day's worth of requests in minutes, through the server: short answers, images, embeddings, follow-ups, readers that leave
 * at any moment, and bad input. The memory of the server and its worker at the end is compared with the middle: the same, or something grows.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { XComposerError } from '../src/common/errors.js'
import { random } from '../src/common/random.js'
import { type Benchmark, type BenchResult, MODEL_HELP, type ModelContext, modelOf, modelOption } from './benchmark.js'
import { writePicture } from './decode-inputs.js'
import { digits, summarise } from './samples.js'
import { ServerProcess } from './server-process.js'

interface Told extends ModelContext {
  readonly requests: number
}

/** Requests at a time. */
const CLIENTS = 8
/** Images that come again and again. */
const IMAGES = 32
/** How often memory is read. */
const READINGS = 40
/** What the end may have above the middle. */
const GROWTH = 0.05

/** What is asked, by how often: out of 100. */
const kinds = { answer: 35, image: 20, embedding: 10, followUp: 10, left: 20, bad: 5 } as const
type Kind = keyof typeof kinds

async function soak(o: Told): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), 'xcomposer-soak-'))
  const server = await ServerProcess.serve(o.model, o.threads, CLIENTS)
  try {
    const images: string[] = []
    for (let i = 0; i < IMAGES; i++)
      images.push(`data:image/png;base64,${readFileSync(await writePicture(folder, i)).toString('base64')}`)
    const readings: (readonly number[])[] = []
    const counts: Record<string, number> = {}
    const began = performance.now()
    let next = 0
    const client = async (): Promise<void> => {
      while (next < o.requests) {
        const number = next++
        if (number % Math.ceil(o.requests / READINGS) === 0) readings.push(server.residentBytes)
        const outcome = await ask(server.url, number, images)
        counts[outcome] = (counts[outcome] ?? 0) + 1
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
    readings.push(server.residentBytes)
    const seconds = (performance.now() - began) / 1000
    // A reading alone depends on what runs at that moment, and on when memory was last collected.
    const half = readings.length >> 1
    const fifth = Math.floor(readings.length / 10)
    const all = readings.map((processes) => processes.reduce((a, b) => a + b, 0))
    const [middle, end] = [mean(all.slice(half - fifth, half + fifth)), mean(all.slice(-2 * fifth))]
    o.print(`server + engine: ${readings.map((each) => each.map((bytes) => Math.round(bytes / 1e6)).join(' + ')).join(', ')} MB`)
    o.print(`memory in the middle ${mega(middle)}, at the end ${mega(end)}; ${JSON.stringify(counts)}`)
    if (end > middle * (1 + GROWTH)) {
      const grown = ((end / middle - 1) * 100).toFixed(1)
      throw new XComposerError(`soak: memory grew by ${grown} % from the middle (${mega(middle)}) to the end (${mega(end)})`)
    }
    return {
      report: summarise('soak', [o.requests / seconds], []),
      detail: {
        unit: 'requests/s',
        model: o.modelName,
        requests: o.requests,
        outcomes: counts,
        memory: {
          middleMB: digits(middle / 1e6),
          endMB: digits(end / 1e6),
          readingsMB: all.map((bytes) => digits(bytes / 1e6)),
        },
      },
    }
  } finally {
    await server.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One request, the same for the same number; gives what it was and how it ended. @throws XComposerError for what a server must not answer */
async function ask(url: string, number: number, images: readonly string[]): Promise<string> {
  const draw = random(7, number)
  const kind = kindOf(draw.below(100))
  const control = new AbortController()
  const { path, body } = request(kind, number, images[draw.below(images.length)] as string, 1 + draw.below(12))
  const headers = { 'content-type': 'application/json' }
  // Before the first token, in the middle, or behind the end.
  const leaves = kind === 'left' ? setTimeout(() => control.abort(), draw.below(150)) : undefined
  try {
    const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body), signal: control.signal })
    await response.arrayBuffer()
    const expected = kind === 'bad' ? 400 : 200
    if (response.status !== expected) throw new XComposerError(`soak: request ${number} (${kind}): status ${response.status}`)
    return `${kind} ${response.status}`
  } catch (error) {
    if (!control.signal.aborted) throw error
    return 'left aborted'
  } finally {
    clearTimeout(leaves)
  }
}

function request(kind: Kind, number: number, image: string, tokens: number): { path: string; body: object } {
  const chat = (messages: readonly object[], more: object = {}) => ({
    path: '/v1/chat/completions',
    body: { messages, max_tokens: tokens, ...more },
  })
  const user = (text: string) => ({ role: 'user', content: text })
  const question = {
    role: 'user',
    content: [
      { type: 'image_url', image_url: { url: image } },
      { type: 'text', text: 'What is this?' },
    ],
  }
  switch (kind) {
    case 'answer':
      return chat([user(`What is the capital of country ${number % 1000}?`)], {
        stream: number % 2 === 0,
        temperature: number % 3,
      })
    case 'image':
      return chat([question], { stream: number % 2 === 0 })
    case 'embedding':
      return { path: '/v1/embeddings', body: { input: [`text ${number}`, `more of ${number}`] } }
    case 'followUp':
      return chat([question, { role: 'assistant', content: 'an animal' }, user(`And number ${number}?`)])
    case 'left':
      return chat([number % 2 === 0 ? question : user('Write a long story.')], { stream: true, max_tokens: 400 })
    case 'bad':
      return chat([user('Hello')], { temperature: 'hot' })
  }
}

function kindOf(percent: number): Kind {
  let left = percent
  for (const [kind, share] of Object.entries(kinds)) {
    left -= share
    if (left < 0) return kind as Kind
  }
  return 'answer'
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
const mega = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** `bench -- soak`. */
export const soakBenchmark: Benchmark = {
  summary: 'a day of requests in minutes: does the memory of the server stay as it is',
  options: { ...modelOption, requests: { type: 'string' } },
  help: `${MODEL_HELP}
      --requests N       how many (default 20000)`,
  run: (args, context) =>
    soak({ ...context, ...modelOf(args), requests: args.wholeNumber('requests', 100, 10_000_000) ?? 20_000 }),
}
