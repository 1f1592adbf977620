/** An engine in this process: one answer beside the other, without caches or batches. What tests use, and what a server can do without. */
import { statSync } from 'node:fs'
import { type ChatMessage, chat } from '../chat/chat.js'
import { continuePrompt } from '../chat/continue.js'
import { encodeOpened, openImages } from '../chat/images.js'
import { type ChatOptions, checkAnswerOptions } from '../chat/options.js'
import { positions } from '../chat/request.js'
import type { ChatResult } from '../chat/result.js'
import { InputError } from '../common/errors.js'
import { imageSize } from '../image/decode.js'
import { readImageSource } from '../image/source.js'
import { tileLayout } from '../image/tiles.js'
import { promptRows } from '../inference/prompt-rows.js'
import type { XComposer } from '../inference/xcomposer.js'
import { DEFAULT_TILES } from '../model/config.js'
import { imageTokens } from '../model/image-rows.js'
import type { PromptPart } from '../text/prompt.js'
import type {
  CacheStatistics,
  Embedding,
  EmbeddingInput,
  Engine,
  EngineEvent,
  EngineModel,
  EngineOptions,
  EngineRequest,
  SeenImage,
} from './engine.js'

const NO_CACHE = { entries: 0, bytes: 0, maxBytes: 0, hits: 0, misses: 0 }

/** Answers with one loaded model, which it disposes at its end. */
export class LocalEngine implements Engine {
  readonly models: readonly EngineModel[]
  readonly ready = true

  constructor(private readonly model: XComposer) {
    // Reuse would not show in the counts.
    model.prefixes.close()
    const { config, name } = model
    this.models = [
      {
        id: name,
        created: Math.floor(statSync(model.decoder.checkpoint.directory.path('config.json')).mtimeMs / 1000),
        loaded: true,
        vision: config.vision !== undefined,
        tiled: config.vision?.tiled ?? false,
        contextLength: config.maxLength,
        hiddenSize: config.decoder.hiddenSize,
      },
    ]
  }

  async *answer({ prompt, options }: EngineRequest, signal: AbortSignal): AsyncGenerator<EngineEvent, void, void> {
    const { model } = this
    const settings: ChatOptions = { ...chatOptions(options), signal }
    const images = prompt.kind === 'chat' ? await seenImages(model, prompt.messages, options.maxTiles) : []
    const pieces = prompt.kind === 'chat' ? chat(model, prompt.messages, settings) : continueText(model, prompt.text, settings)
    let step = await pieces.next()
    try {
      for (; !step.done; step = await pieces.next()) yield { type: 'piece', text: step.value }
    } finally {
      if (!step.done) await pieces.return(undefined as never)
    }
    const { usage, finishReason, logprobs, timings } = step.value
    if (logprobs) yield { type: 'piece', text: '', logprobs }
    yield { type: 'end', finishReason, usage: { ...usage, cachedTokens: 0, images }, timings }
  }

  async embed(_model: string, inputs: readonly EmbeddingInput[], signal: AbortSignal): Promise<readonly Embedding[]> {
    const found: Embedding[] = []
    for (const input of inputs) {
      signal.throwIfAborted()
      found.push(await embedOne(this.model, input, signal))
    }
    return found
  }

  async cacheStatistics(): Promise<CacheStatistics> {
    return { prefix: NO_CACHE, image: NO_CACHE }
  }

  async clearCaches(): Promise<void> {}

  async close(): Promise<void> {
    await this.model.dispose()
  }
}

function chatOptions({ constraint, logitBias, ...options }: EngineOptions): ChatOptions {
  if (constraint) throw new InputError('response_format: not supported yet by this engine')
  if (logitBias) throw new InputError('logit_bias: not supported yet by this engine')
  // What people write is text, also where it spells the place of an image.
  return { ...options, literalText: true }
}

/** Continues a text as it stands. */
async function* continueText(model: XComposer, text: string, options: ChatOptions): AsyncGenerator<string, ChatResult, void> {
  checkAnswerOptions(options)
  const parts = textParts(model, text)
  const began = performance.now()
  const signal = options.signal as AbortSignal
  return yield* continuePrompt(model, { parts, features: [], clock: { began, encoded: began } }, options, signal)
}

/** @throws InputError (code `context_length_exceeded`) where it leaves no room */
function textParts(model: XComposer, text: string, field = 'prompt'): PromptPart[] {
  const ids = [model.tokenizer.bosId, ...model.tokenizer.encode(text)]
  return fitting(model, [{ kind: 'text', ids }], field)
}

function fitting(model: XComposer, parts: PromptPart[], field: string): PromptPart[] {
  const [length, most] = [positions(parts), model.contextLength - 1]
  if (length > most)
    throw new InputError(`${field}: takes ${length} positions, at most ${most} fit; shorten it`, {
      code: 'context_length_exceeded',
    })
  return parts
}

async function seenImages(
  { config }: XComposer,
  messages: readonly ChatMessage[],
  maxTiles = DEFAULT_TILES,
): Promise<SeenImage[]> {
  const { vision } = config
  if (!vision) return []
  const seen: SeenImage[] = []
  for (const part of messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content))) {
    if (part.type !== 'image') continue
    const { bytes, name } = await readImageSource(part.image)
    const size = await imageSize(bytes, { name })
    if (!vision.tiled) {
      seen.push({ width: vision.imageSize, height: vision.imageSize, tokens: imageTokens(config) })
      continue
    }
    const layout = tileLayout(size.width, size.height, part.maxTiles ?? maxTiles, vision.imageSize)
    const [width, height] = layout.final
    seen.push({ width, height, tokens: imageTokens(config, layout) })
  }
  return seen
}

/** The mean of the last layer's states, of length 1. */
async function embedOne(model: XComposer, input: EmbeddingInput, signal: AbortSignal): Promise<Embedding> {
  const { parts, features } = await embeddingParts(model, input, signal)
  const { rows, tokens, imageColumns } = promptRows(model.decoder, parts, features)
  const sequence = model.decoder.sequence()
  try {
    const step = { embeddings: rows, tokens, imageColumns, logitColumns: [], hidden: true }
    const { hidden } = await model.decoder.sessions.run(step, sequence.cache)
    return { vector: meanOfLength1(hidden.at(-1) as Float32Array, tokens), tokens }
  } finally {
    sequence.dispose()
  }
}

async function embeddingParts(
  model: XComposer,
  input: EmbeddingInput,
  signal: AbortSignal,
): Promise<{ parts: PromptPart[]; features: Float32Array[] }> {
  const { tokenizer } = model
  if ('text' in input) return { parts: textParts(model, input.text, 'input'), features: [] }
  if ('ids' in input) {
    const bad = input.ids.find((id) => !Number.isInteger(id) || id < 0 || id >= tokenizer.size)
    if (bad !== undefined) throw new InputError(`input: ${bad} is the id of no token, expected 0 to ${tokenizer.size - 1}`)
    return { parts: fitting(model, [{ kind: 'text', ids: [tokenizer.bosId, ...input.ids] }], 'input'), features: [] }
  }
  const opened = await openImages(model, [{ source: { bytes: input.image, name: 'input' }, name: 'input' }])
  const features = await encodeOpened(model, opened, signal)
  const parts: PromptPart[] = [
    { kind: 'text', ids: [tokenizer.bosId] },
    { kind: 'image', image: 0, tokens: opened[0]?.tokens ?? 0 },
  ]
  return { parts: fitting(model, parts, 'input'), features }
}

/** rows [tokens, hidden] -> [hidden]. */
function meanOfLength1(rows: Float32Array, tokens: number): Float32Array {
  const width = rows.length / tokens
  const sum = new Float64Array(width)
  for (const [i, value] of rows.entries()) sum[i % width] = (sum[i % width] as number) + value
  const norm = Math.hypot(...sum) || 1
  return Float32Array.from(sum, (value) => value / norm)
}
