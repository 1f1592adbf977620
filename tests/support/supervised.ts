/** A supervisor whose worker runs from the sources, and what tests ask of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packagedModel, packageRoot } from '../../src/common/package-root.js'
import { Supervisor, type SupervisorOptions } from '../../src/server/engine/supervisor.js'
import type { EngineEvent, EngineOptions, EngineRequest } from '../../src/server/engine.js'

/** Node's arguments for a worker that runs from sources. */
export const fromSources = ['--import', `file://${join(packageRoot, 'tests', 'support', 'source-loader.mjs')}`]

export function supervised(options: Partial<SupervisorOptions> = {}): Promise<Supervisor> {
  return Supervisor.start({ models: [packagedModel], threads: 1, execArgv: fromSources, pauseMs: 1, ...options })
}

/** A question of the packaged nano. */
export function question(text: string, options: EngineOptions = {}): EngineRequest {
  return { model: 'nano', prompt: { kind: 'chat', messages: [{ role: 'user', content: text }] }, options, cacheScope: '' }
}

/** A question about a picture of the package, as bytes. */
export function pictured(text: string, options: EngineOptions = {}): EngineRequest {
  const image = readFileSync(join(packageRoot, 'examples', 'library', 'red-apple.webp'))
  const content = [
    { type: 'image' as const, image },
    { type: 'text' as const, text },
  ]
  return { ...question('', options), prompt: { kind: 'chat', messages: [{ role: 'user', content }] } }
}

/** An article, which does not end by itself for a while. */
export const LONG = 'Write a short illustrated article about «The apple».'

/** All events of an answer as they came. */
export async function read(events: AsyncIterable<EngineEvent>): Promise<EngineEvent[]> {
  const found: EngineEvent[] = []
  for await (const event of events) found.push(event)
  return found
}

/** The text of an answer, and why it ended. */
export async function answered(events: AsyncIterable<EngineEvent>): Promise<{ text: string; end: string }> {
  let [text, end] = ['', 'nothing']
  for await (const event of events) {
    if (event.type === 'piece') text += event.text
    else end = event.finishReason
  }
  return { text, end }
}

export const never: AbortSignal = new AbortController().signal

/** Waits until `test` holds. */
export async function until(test: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await test())) await new Promise((resolve) => setTimeout(resolve, 5))
}
