/**
 * A process that disposes models at bad moments and says as JSON, for each case, how each call ended and what native handles are left:
 * node --import tests/support/source-loader.mjs tests/support/end-of-life-child.ts
 */
import { join } from 'node:path'
import { packagedModel, packageRoot } from '../../src/common/package-root.js'
import { liveHandles } from '../../src/engine/index.js'
import {
  type ChatMessage,
  type ChatOptions,
  chat,
  chatBatch,
  compose,
  openLibrary,
  XComposer,
  XComposerError,
} from '../../src/index.js'

let model: XComposer
const image = { type: 'image' as const, image: join(packageRoot, 'examples', 'questions', 'emojione-house.png') }
const article: ChatMessage[] = [{ role: 'user', content: 'Write a short illustrated article about «The apple».' }]
const house: ChatMessage[] = [{ role: 'user', content: [image, { type: 'text', text: 'What is this?' }] }]
const long: ChatMessage[] = [{ role: 'user', content: 'word '.repeat(450) }]

/** How a call ended: its error's code and message, or `done`. */
async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'done'
  } catch (error) {
    return error instanceof XComposerError ? `${error.code}: ${error.message}` : `untyped: ${error}`
  }
}

const answer = (messages: ChatMessage[], options: ChatOptions = {}) =>
  chat(model, messages, { maxNewTokens: 200, ...options }).result
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const cases: Record<string, (ms: number) => Promise<string[]>> = {
  async after() {
    const sequence = model.decoder.sequence()
    const library = await openLibrary(join(packageRoot, 'examples', 'library'))
    await answer(article, { maxNewTokens: 3 })
    await model.dispose()
    await model.dispose()
    return Promise.all(
      [
        answer(article),
        answer(house),
        answer(article, { beams: 3 }),
        chatBatch(model, [article, house]),
        compose({ subject: 'The apple', language: 'en', library, model }),
        model.prefill([{ kind: 'text', ids: [1, 2, 3] }], []),
        model.encodeImages(new Float32Array(3 * 4), 1),
        model.prepare(),
        sequence.append([5]),
        (async () => model.decoder.store.embed([5]))(),
        (async () => model.decoder.sequence())(),
      ].map(outcome),
    )
  },
  /** @param ms from the first call to the end */
  async during(ms) {
    const open = chat(model, article, { maxNewTokens: 200 })
    await open.next()
    const calls = [
      open.result,
      answer(article),
      answer(house),
      answer(long),
      answer(article, { beams: 3 }),
      answer(article, { lookup: true }),
      chatBatch(model, [article, house, long], { maxNewTokens: 200 }),
    ].map(outcome)
    await wait(ms)
    void model.dispose()
    await model.dispose()
    const left = liveHandles().total
    return [...(await Promise.all(calls)), `handles ${left}`]
  },
  async unread() {
    // An answer that nobody reads on, with its sequence in the middle.
    const open = chat(model, house)
    await open.next()
    await model.dispose()
    return [`handles ${liveHandles().total}`, await outcome(open.next()), await outcome(open.result)]
  },
  async compiling() {
    const prepared = outcome(model.prepare())
    await wait(1)
    await model[Symbol.asyncDispose]()
    return [await prepared]
  },
  async sequences() {
    const { decoder } = model
    const [sequence, other] = [decoder.sequence(), decoder.sequence()]
    const appending = outcome(sequence.append([5, 6, 7]))
    await wait(0)
    sequence.dispose()
    sequence.dispose()
    const branches = other.branch()
    await other.append([5])
    await branches.step([0, 0], [6, 7])
    const stepping = outcome(branches.step([0, 1], [6, 7]))
    other.dispose()
    const rows = []
    for (const id of [5, 6]) {
      await decoder.scheduler.place()
      const third = decoder.sequence()
      await third.append([id])
      rows.push(decoder.scheduler.start(third))
    }
    const [row, stays] = rows as [(typeof rows)[0], (typeof rows)[0]]
    const rowEnds = outcome(row.append([6]))
    const stayed = outcome(stays.append([6]))
    await wait(0)
    row.dispose()
    row.dispose()
    const ends = [
      await appending,
      await outcome(sequence.append([8])),
      await stepping,
      await rowEnds,
      await outcome(row.append([6])),
      await stayed,
    ]
    await model.dispose()
    return ends
  },
}

const report: Record<string, { ended: string[]; handles: object }> = {}
for (const [name, run] of Object.entries(cases)) {
  for (const ms of name === 'during' ? [0, 2, 10, 30] : [0]) {
    model = await XComposer.load(packagedModel, { threads: 1 })
    const ended = await run(ms)
    await model.dispose()
    report[`${name} ${ms}`] = { ended, handles: liveHandles().byKind }
  }
}
console.log(JSON.stringify(report))
