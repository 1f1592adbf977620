/**
 * `bench -- batching`: what answers gain that are made at the same time, and what a question about a picture costs those that are under way.
 * Answers of 1, 2, 4 and 8 chats: all their tokens a second, beside those of one; what is reported is the most chats beside one. Then the time
 * between two tokens of answers that are under way: with nothing else going on, and while pictures are looked at and their prompts read.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chat } from '../src/chat/chat.js'
import { write } from '../src/chat/write.js'
import { InputError } from '../src/common/errors.js'
import { generate } from '../src/generate/generate.js'
import type { ScheduledRow } from '../src/inference/scheduler.js'
import { XComposer } from '../src/inference/xcomposer.js'
import { type Benchmark, type BenchResult, MODEL_HELP, type ModelContext, modelOf, modelOption } from './benchmark.js'
import { PROMPT_TOKENS, promptIds, writePicture } from './decode-inputs.js'
import { factsLine, modelFacts } from './model-facts.js'
import { digits, median, summarise } from './samples.js'

/** Chats at the same time. */
const CHATS = [1, 2, 4, 8] as const
const MOST = CHATS[CHATS.length - 1] as number
/** Tokens of each answer; the first comes from the prompt's pass and is not timed. */
const NEW_TOKENS = 64
/** Answers that are under way while a picture comes. */
const UNDER_WAY = 4
/** Positions that an answer under way may take: a new one begins where they are used up. */
const LONGEST = 400

interface Begun {
  readonly logits: Float32Array
  readonly row: ScheduledRow
}

/** A prompt of its own, so that nothing of another's is reused, as a row of the scheduler. */
async function begin(model: XComposer, seed: number): Promise<Begun> {
  const { scheduler } = model.decoder
  const all = promptIds(model.config.decoder.vocabularySize, PROMPT_TOKENS + MOST)
  await scheduler.place()
  const prompt = [{ kind: 'text' as const, ids: all.slice(seed % MOST, (seed % MOST) + PROMPT_TOKENS) }]
  const { logits, sequence } = await model.prefill(prompt, [], { scheduled: true })
  return { logits, row: scheduler.start(sequence, undefined, true) }
}

/** The tokens of an answer as the pieces of text that a reader gets, without a stop, so that every answer has the same length. */
async function read(model: XComposer, { logits, row }: Begun, maxNewTokens: number, onToken: () => boolean): Promise<void> {
  async function* counted() {
    const steps = generate(logits, row, { maxNewTokens })
    for (let step = await steps.next(); ; step = await steps.next()) {
      if (step.done) return step.value
      yield step.value
      if (!onToken()) return { reason: 'length' as const }
    }
  }
  try {
    for await (const _ of write(model, counted(), {})) {
      // Only its time counts.
    }
  } finally {
    row.dispose()
  }
}

/** Tokens a second of all chats together. */
async function rate(model: XComposer, chats: number): Promise<number> {
  const rows: Begun[] = []
  for (let i = 0; i < chats; i++) rows.push(await begin(model, i))
  let [first, tokens] = [0, 0]
  const onToken = (): boolean => {
    if (++tokens === chats) first = performance.now()
    return true
  }
  for (const { row } of rows) row.held = false
  await Promise.all(rows.map((row) => read(model, row, NEW_TOKENS, onToken)))
  return (chats * (NEW_TOKENS - 1) * 1000) / (performance.now() - first)
}

/** Milliseconds between the tokens of answers that are under way while `work` goes on. */
async function gaps(model: XComposer, work: () => Promise<void>): Promise<number[]> {
  const found: number[] = []
  let done = false
  const answer = async (seed: number): Promise<void> => {
    while (!done) {
      const begun = await begin(model, seed)
      begun.row.held = false
      let last = 0
      await read(model, begun, LONGEST, () => {
        const now = performance.now()
        if (last > 0) found.push(now - last)
        last = now
        return !done
      })
    }
  }
  const answers = Promise.all(Array.from({ length: UNDER_WAY }, (_, i) => answer(i)))
  while (found.length < UNDER_WAY) await new Promise((resolve) => setTimeout(resolve, 1))
  // What began before the work is not its doing.
  found.length = 0
  await work()
  done = true
  await answers
  return found
}

/** The value that a share of the others does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const found = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  if (found === undefined) throw new InputError('batching: nothing was measured')
  return found
}

const summary = (values: readonly number[]) => ({
  gaps: values.length,
  p50Ms: digits(percentile(values, 0.5)),
  p99Ms: digits(percentile(values, 0.99)),
  longestMs: digits(Math.max(...values)),
})

/** The time between tokens without anything else, and while `runs` pictures are looked at one after the other; null without eyes. */
async function besidePictures(model: XComposer, temporary: string, o: ModelContext) {
  if (!model.config.vision) return null
  const pictures: string[] = []
  for (let run = 0; run <= o.runs; run++) pictures.push(await writePicture(temporary, run))
  const ask = async (file: string): Promise<void> => {
    const content = [
      { type: 'image' as const, image: { file } },
      { type: 'text' as const, text: 'What is in the picture?' },
    ]
    await chat(model, [{ role: 'user', content }], { maxNewTokens: 1 }).result
  }
  const [warm, ...others] = pictures
  await ask(warm as string)
  let firstTokenMs = 0
  const withPictures = await gaps(model, async () => {
    const began = performance.now()
    for (const file of others) await ask(file)
    firstTokenMs = (performance.now() - began) / others.length
  })
  const without = await gaps(model, () => new Promise((resolve) => setTimeout(resolve, firstTokenMs * others.length)))
  const result = {
    answersUnderWay: UNDER_WAY,
    pictures: others.length,
    pictureMs: digits(firstTokenMs),
    without: summary(without),
    beside: summary(withPictures),
  }
  for (const name of ['without', 'beside'] as const)
    o.print(`between tokens, ${name} a picture: ${result[name].p50Ms} ms, 99 % within ${result[name].p99Ms} ms`)
  return result
}

/** Reports tokens a second of the most chats, and as the peer those of one. */
async function benchBatching(o: ModelContext): Promise<BenchResult> {
  const facts = modelFacts(o.model)
  const temporary = mkdtempSync(join(tmpdir(), 'xcomposer-bench-'))
  const model = await XComposer.load(o.model, { threads: o.threads, prefixCacheBytes: 0 })
  try {
    if (model.contextLength < PROMPT_TOKENS + LONGEST)
      throw new InputError(`${o.model}: a context of ${model.contextLength} is shorter than ${PROMPT_TOKENS + LONGEST}`)
    o.print(`batching: ${factsLine(facts)}`)
    const rates = CHATS.map((): number[] => [])
    // The first round, which makes room and plans, does not count.
    for (let run = 0; run <= o.runs; run++) {
      for (const [i, chats] of CHATS.entries()) {
        const found = await rate(model, chats)
        if (run > 0) rates[i]?.push(found)
      }
    }
    const one = median(rates[0] ?? [])
    const chats = CHATS.map((n, i) => {
      const all = median(rates[i] ?? [])
      o.print(`${n} at once: ${all.toFixed(1)} tokens/s, ${(all / one).toFixed(2)} x one`)
      return { chats: n, tokensPerSecond: digits(all), timesOne: digits(all / one), samples: (rates[i] ?? []).map(digits) }
    })
    const pictures = await besidePictures(model, temporary, o)
    return {
      report: summarise('batching', rates.at(-1) ?? [], rates[0] ?? []),
      detail: {
        unit: `tokens/s of ${MOST} chats together; the peer is one chat`,
        model: o.modelName,
        ...facts,
        promptTokens: PROMPT_TOKENS,
        newTokens: NEW_TOKENS,
        chats,
        betweenTokens: pictures,
      },
    }
  } finally {
    await model.dispose()
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** `bench -- batching`. */
export const batchingBenchmark: Benchmark = {
  summary: 'answers made at the same time, beside one; and what a picture costs them',
  options: { ...modelOption },
  help: MODEL_HELP,
  run: (args, context) => benchBatching({ ...context, ...modelOf(args) }),
}
