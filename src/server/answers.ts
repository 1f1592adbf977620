/**
 * The answers to a request: admitted, asked of the engine, several beside each other where there is room, their calls of tools read. Every
 * endpoint puts what comes of it into its own form.
 */
import { randomInt } from 'node:crypto'
import type { ChosenLogprob } from '../generate/logprobs.js'
import type { Place } from './admission.js'
import type { RequestContext, ServerContext } from './context.js'
import type { EngineEvent, EngineModel, EngineOptions, EngineRequest, EngineUsage } from './engine.js'
import { unavailable } from './errors.js'
import { CallParser, callSchema, type Parsed, parseCall, type ToolCall, type ToolChoice } from './tools.js'

/** What is asked. */
export interface AnswerPlan {
  readonly model: EngineModel
  /** One for each group of `n` choices; most requests have one. */
  readonly prompts: readonly EngineRequest['prompt'][]
  /** Choices of each prompt. */
  readonly n: number
  readonly options: EngineOptions
  readonly tools?: ToolChoice | undefined
}

export type Timings = Extract<EngineEvent, { type: 'end' }>['timings']

/** What comes of a choice, in order: texts and calls, then one end. Choices may be mixed. */
export type ChoiceEvent = { readonly choice: number } & (
  | { readonly type: 'text'; readonly text: string; readonly logprobs?: readonly ChosenLogprob[] | undefined }
  | { readonly type: 'call'; readonly call: ToolCall }
  | {
      readonly type: 'end'
      readonly finishReason: 'stop' | 'length' | 'tool_calls'
      readonly usage: EngineUsage
      readonly timings: Timings
    }
)

/** The answers, as they come. Leaving the loop ends them and gives everything back. */
export async function* answers(
  c: RequestContext,
  server: ServerContext,
  plan: AnswerPlan,
): AsyncGenerator<ChoiceEvent, void, void> {
  const { engine, admission, metrics } = server
  const { signal } = c.get('abort')
  if (!engine.ready) throw unavailable('the engine is starting; ask again', 2)
  const waited = performance.now()
  const places: Place[] = [await admission.enter(c.get('client'), signal)]
  metrics.observe('xcomposer_queue_seconds', 'Time that requests waited for their turn.', (performance.now() - waited) / 1000)
  try {
    const choices = plan.prompts.length * plan.n
    while (places.length < choices) {
      const place = admission.tryEnter()
      if (!place) break
      places.push(place)
    }
    let next = 0
    const lane = async function* (): AsyncGenerator<ChoiceEvent, void, void> {
      while (next < choices) yield* choice(c, server, plan, next++)
    }
    yield* merged(places.map(lane), () => c.get('abort').abort())
  } finally {
    for (const place of places) place.leave()
  }
}

/** One choice. */
async function* choice(
  c: RequestContext,
  { engine, metrics }: ServerContext,
  { model, prompts, n, options, tools }: AnswerPlan,
  number: number,
): AsyncGenerator<ChoiceEvent, void, void> {
  const seed = options.seed === undefined ? randomInt(2 ** 32) : (options.seed + (number % n)) % 2 ** 32
  const forced = tools?.required === true && tools.tools.length > 0
  const request: EngineRequest = {
    model: model.id,
    prompt: prompts[Math.floor(number / n)] as EngineRequest['prompt'],
    options: {
      ...options,
      // A seed asks for sampling.
      ...(options.temperature === undefined || options.temperature === 0 ? {} : { seed }),
      ...(forced ? { constraint: { kind: 'json_schema' as const, schema: callSchema(tools.tools) } } : {}),
    },
    cacheScope: c.get('cacheScope'),
  }
  const id = `${c.get('requestId')} ${number}`
  const reader: ReplyReader = forced
    ? new WholeCall(tools.tools, id)
    : tools && tools.tools.length > 0
      ? new CallParser(tools.tools, id)
      : plainText
  let called = false
  let logprobs: ChosenLogprob[] = []
  const events = function* (parsed: readonly Parsed[]): Generator<ChoiceEvent, void, void> {
    for (const one of parsed) {
      if ('call' in one) {
        called = true
        yield { choice: number, type: 'call', call: one.call }
        continue
      }
      const known = logprobs
      logprobs = []
      yield { choice: number, type: 'text', text: one.text, ...(options.logprobs === undefined ? {} : { logprobs: known }) }
    }
  }
  for await (const event of engine.answer(request, c.get('abort').signal)) {
    if (event.type === 'piece') {
      if (event.logprobs) logprobs.push(...event.logprobs)
      yield* events(reader.push(event.text))
      continue
    }
    yield* events(reader.end())
    if (logprobs.length > 0) yield { choice: number, type: 'text', text: '', logprobs }
    note(c, metrics, event)
    const finishReason = called && event.finishReason === 'stop' ? 'tool_calls' : event.finishReason
    yield { choice: number, type: 'end', finishReason, usage: event.usage, timings: event.timings }
  }
}

interface ReplyReader {
  push(piece: string): Parsed[]
  end(): Parsed[]
}

const plainText: ReplyReader = { push: (text) => [{ text }], end: () => [] }

/** A reply that is one call and nothing else. */
class WholeCall implements ReplyReader {
  private text = ''

  constructor(
    private readonly tools: ToolChoice['tools'],
    private readonly seed: string,
  ) {}

  push(piece: string): Parsed[] {
    this.text += piece
    return []
  }

  end(): Parsed[] {
    const call = parseCall(this.text, this.tools, this.seed)
    return [call ? { call } : { text: this.text }]
  }
}

function note(c: RequestContext, metrics: ServerContext['metrics'], end: Extract<EngineEvent, { type: 'end' }>): void {
  const { usage, timings } = end
  const logged = c.get('logged')
  logged.prompt_tokens = usage.promptTokens
  logged.cached_tokens = usage.cachedTokens
  logged.completion_tokens = Number(logged.completion_tokens ?? 0) + usage.completionTokens
  const tokens = (kind: string, by: number) => metrics.count('xcomposer_tokens_total', 'Tokens by kind.', { kind }, by)
  tokens('prompt', usage.promptTokens)
  tokens('image', usage.imageTokens)
  tokens('cached', usage.cachedTokens)
  tokens('completion', usage.completionTokens)
  metrics.observe(
    'xcomposer_first_token_seconds',
    'Time from the engine taking a request to its first token.',
    timings.firstTokenMs / 1000,
  )
}

/**
 * Several generators as one, each asked for its next when what it gave was taken. Ends them all when it is left.
 * @param abandon makes those end that are waiting for something
 */
async function* merged<T>(sources: readonly AsyncGenerator<T, void, void>[], abandon: () => void): AsyncGenerator<T, void, void> {
  const [only] = sources
  if (only && sources.length === 1) return yield* only
  const waiting = new Map<number, Promise<{ readonly i: number; readonly step: IteratorResult<T, void> }>>()
  const ask = (i: number) => {
    const asked = (sources[i] as AsyncGenerator<T, void, void>).next().then((step) => ({ i, step }))
    // Reported when its turn comes, also where another fails first.
    asked.catch(() => {})
    waiting.set(i, asked)
  }
  try {
    for (const i of sources.keys()) ask(i)
    while (waiting.size > 0) {
      const { i, step } = await Promise.race(waiting.values())
      waiting.delete(i)
      if (step.done) continue
      yield step.value
      ask(i)
    }
  } finally {
    if (waiting.size > 0) abandon()
    await Promise.allSettled(sources.map((source) => source.return()))
  }
}

/** The counts of all choices: prompts count once each. */
export function totalUsage(ends: readonly EngineUsage[], n: number): EngineUsage {
  const prompts = ends.filter((_, i) => i % n === 0)
  const sum = (of: (usage: EngineUsage) => number, from: readonly EngineUsage[]) =>
    from.reduce((total, one) => total + of(one), 0)
  return {
    promptTokens: sum((u) => u.promptTokens, prompts),
    imageTokens: sum((u) => u.imageTokens, prompts),
    cachedTokens: sum((u) => u.cachedTokens, prompts),
    completionTokens: sum((u) => u.completionTokens, ends),
    images: prompts[0]?.images ?? [],
  }
}
