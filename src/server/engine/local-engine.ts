/**
 * The engine in this process: requests become chats, continuations and embeddings of models that are loaded on demand. The worker runs it;
 * programs that need no supervision, and tests, can use it directly.
 */
import { cacheStatistics, clearCaches } from '../../chat/caches.js'
import { type ChatMessage, type ChatOptions, type ChatResult, chat } from '../../chat/chat.js'
import { complete } from '../../chat/complete.js'
import { embed } from '../../chat/embed.js'
import { type Inside, lookInside } from '../../chat/look-inside.js'
import { AbortedError, DisposedError, InputError } from '../../common/errors.js'
import { liveHandles } from '../../engine/index.js'
import type { ChosenLogprob } from '../../generate/logprobs.js'
import type { XComposer } from '../../inference/xcomposer.js'
import type {
  CacheStatistics,
  Embedding,
  EmbeddingInput,
  Engine,
  EngineEvent,
  EngineModel,
  EngineOptions,
  EngineRequest,
  InsideRequest,
} from '../engine.js'
import { type Lease, type ModelSettings, ModelShelf, type ShelfEvents } from './model-shelf.js'

/** What a process holds, for tests that count what comes back. */
export interface EngineCounters {
  /** Answers and embeddings that have not ended. */
  readonly requests: number
  /** Sequences and batches, those that caches keep included. */
  readonly sequences: number
  /** Native handles. */
  readonly handles: number
}

/** An engine without a process of its own. */
export class LocalEngine implements Engine {
  private readonly shelf: ModelShelf
  private requests = 0
  private closing = false
  private onIdle: (() => void) | undefined

  /** Reads the models' headers; nothing is loaded. @throws InputError as ModelShelf */
  constructor(settings: ModelSettings, events: ShelfEvents = {}) {
    this.shelf = new ModelShelf(settings, events)
  }

  get models(): readonly EngineModel[] {
    return this.shelf.models
  }

  get ready(): boolean {
    return !this.closing
  }

  /** Loads the default model, so that the first request does not wait for it. @throws InputError where it cannot be loaded */
  async prepare(): Promise<void> {
    const lease = await this.shelf.acquire(this.models[0]?.id ?? '', new AbortController().signal)
    lease.release()
  }

  answer(request: EngineRequest, signal: AbortSignal): AsyncIterableIterator<EngineEvent> {
    const left = new AbortController()
    const steps = this.steps(request, AbortSignal.any([signal, left.signal]))
    return {
      [Symbol.asyncIterator]() {
        return this
      },
      next: () => steps.next(),
      return: async () => {
        // Also while it waits for a model or prefills.
        left.abort(new AbortedError('the answer was ended by its reader'))
        await steps.return(undefined)
        return { done: true, value: undefined }
      },
    }
  }

  private async *steps(request: EngineRequest, signal: AbortSignal): AsyncGenerator<EngineEvent, undefined, void> {
    const { model, release } = await this.lease(request.model, signal)
    try {
      const logprobs: ChosenLogprob[] = []
      const wanted = request.options.logprobs !== undefined
      const answer = begin(model, request, { signal, ...(wanted ? { onToken: (_, one) => one && logprobs.push(one) } : {}) })
      const piece = (text: string): EngineEvent => ({
        type: 'piece',
        text,
        ...(wanted ? { logprobs: logprobs.splice(0) } : {}),
      })
      for await (const text of answer) yield piece(text)
      const result = await answer.result
      // Tokens that became no text: half a character, or the beginning of a stop string.
      if (logprobs.length > 0) yield piece('')
      yield ended(result)
    } finally {
      release()
    }
    return undefined
  }

  embed(id: string, inputs: readonly EmbeddingInput[], signal: AbortSignal): Promise<Embedding[]> {
    return this.with(id, signal, async (model) => {
      const found: Embedding[] = []
      for (const [i, input] of inputs.entries()) {
        const named = 'image' in input ? { image: onlyBytes(input.image, `input ${i + 1}`), name: `input ${i + 1}` } : input
        found.push(await embed(model, named, { signal }))
      }
      return found
    })
  }

  inside({ model: id, messages, ...options }: InsideRequest, signal: AbortSignal): Promise<Inside> {
    return this.with(id, signal, (model) => lookInside(model, messages.map(withBytes), { ...options, literalText: true, signal }))
  }

  /** Does something with a model that stays loaded meanwhile. */
  private async with<T>(id: string, signal: AbortSignal, work: (model: XComposer) => Promise<T>): Promise<T> {
    const { model, release } = await this.lease(id, signal)
    try {
      return await work(model)
    } finally {
      release()
    }
  }

  /** A model that stays loaded for a request until it is released, once. */
  private async lease(id: string, signal: AbortSignal): Promise<Lease> {
    const leave = this.enter()
    try {
      const { model, release } = await this.shelf.acquire(id, signal)
      const end = (): void => {
        release()
        leave()
      }
      return { model, release: end }
    } catch (error) {
      leave()
      throw error
    }
  }

  async cacheStatistics(): Promise<CacheStatistics> {
    const all = this.shelf.loaded.map(cacheStatistics)
    return { prefix: summed(all.map(({ prefix }) => prefix)), image: summed(all.map(({ image }) => image)) }
  }

  async clearCaches(): Promise<void> {
    for (const model of this.shelf.loaded) clearCaches(model)
  }

  /** What is held now. */
  async counters(): Promise<EngineCounters> {
    const sequences = this.shelf.loaded.reduce((n, { decoder }) => n + decoder.living.size, 0)
    return { requests: this.requests, sequences, handles: liveHandles().total }
  }

  async close(): Promise<void> {
    this.closing = true
    if (this.requests > 0) {
      await new Promise<void>((resolve) => {
        this.onIdle = resolve
      })
    }
    await this.shelf.close()
  }

  /** Counts a request until the function that it gives is called. @throws DisposedError once the engine closes */
  private enter(): () => void {
    if (this.closing) throw new DisposedError('engine')
    this.requests++
    return () => {
      if (--this.requests === 0) this.onIdle?.()
    }
  }
}

function begin(model: XComposer, request: EngineRequest, more: Pick<ChatOptions, 'signal' | 'onToken'>) {
  const { prompt, cacheScope } = request
  const { maxTiles, ...options } = chatOptions(model, request.options)
  if (prompt.kind === 'text') return complete(model, prompt.text, { ...options, ...more, cacheScope })
  const tiles = maxTiles === undefined ? {} : { maxTiles }
  // Text is data here, so `<ImageHere>` is no place of an image.
  return chat(model, prompt.messages.map(withBytes), { ...options, ...tiles, ...more, cacheScope, literalText: true })
}

/** The options of chat. @throws InputError for ids that this model does not have */
function chatOptions(model: XComposer, { constraint, ...options }: EngineOptions): Omit<EngineOptions, 'constraint'> & Formatted {
  const { vocabularySize } = model.config.decoder
  const unknown = Object.keys(options.logitBias ?? {}).find((id) => !(Number(id) < vocabularySize))
  if (unknown !== undefined)
    throw new InputError(
      `logit_bias: got the id "${unknown}", expected one below ${vocabularySize}, the vocabulary of ${model.name}`,
    )
  return { ...options, ...(constraint ? { format: answerFormat(constraint) } : {}) }
}

type Formatted = Pick<ChatOptions, 'format'>

function answerFormat(constraint: NonNullable<EngineOptions['constraint']>): NonNullable<ChatOptions['format']> {
  return constraint.kind === 'json_object' ? { type: 'json' } : { type: 'json_schema', schema: constraint.schema }
}

/** A message whose images are bytes: a request must not name files of this machine. */
function withBytes(message: ChatMessage, i: number): ChatMessage {
  if (!Array.isArray(message?.content)) return message
  const parts = message.content as Exclude<ChatMessage['content'], string>
  const content = parts.map((part, j) => {
    const where = `message ${i + 1}, part ${j + 1}`
    if (part?.type === 'image_url') throw new InputError(`${where}: expected the bytes of an image, got an image_url`)
    return part?.type === 'image' ? { ...part, image: onlyBytes(part.image, where) } : part
  })
  return { ...message, content }
}

function onlyBytes<T>(image: T, where: string): T {
  if (image instanceof Uint8Array) return image
  if (typeof image === 'object' && image !== null && 'bytes' in image && !('file' in image)) return image
  throw new InputError(`${where}: expected the bytes of an image`)
}

function ended({ finishReason, usage, images, timings }: ChatResult): EngineEvent {
  return {
    type: 'end',
    finishReason,
    usage: { ...usage, images },
    timings: { firstTokenMs: timings.firstTokenMs, tokensPerSecond: timings.tokensPerSecond },
  }
}

type Counts = CacheStatistics['prefix']

/** The caches of all loaded models together. */
function summed(all: readonly Counts[]): Counts {
  const sum = (name: keyof Counts): number => all.reduce((n, one) => n + one[name], 0)
  return { entries: sum('entries'), bytes: sum('bytes'), maxBytes: sum('maxBytes'), hits: sum('hits'), misses: sum('misses') }
}
