/**
 * What the HTTP API asks of the engine, and what it answers: plain data that can be sent to another process. The engine is a worker
 * process behind a supervisor (`supervisor.ts`); the API knows this interface alone, and so do its tests.
 */
import type { Inside } from '../chat/look-inside.js'
import type { ChatMessage } from '../chat/messages.js'
import type { ChosenLogprob } from '../generate/logprobs.js'

/** A model of the server, loaded or not. */
export interface EngineModel {
  /** What requests call it: the name of its directory. */
  readonly id: string
  /** Seconds since 1970: when its configuration was written. */
  readonly created: number
  readonly loaded: boolean
  /** Whether it takes images. */
  readonly vision: boolean
  /** Whether images are cut into tiles for `detail: high`. */
  readonly tiled: boolean
  /** Most positions of prompt and answer together. */
  readonly contextLength: number
  /** Length of an embedding. */
  readonly hiddenSize: number
}

/** How an answer is made; absent fields have the defaults of `chat`. */
export interface EngineOptions {
  readonly maxNewTokens?: number
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly seed?: number
  readonly repetitionPenalty?: number
  readonly stop?: readonly string[]
  /** Alternatives of each token, 0 to 20. */
  readonly logprobs?: number
  /** Added to the logits of these ids before anything is chosen, -100 to 100. */
  readonly logitBias?: Readonly<Record<number, number>>
  /** What the answer must be: any JSON object, or JSON that a schema allows. Enforced while decoding. */
  readonly constraint?: { readonly kind: 'json_object' } | { readonly kind: 'json_schema'; readonly schema: unknown }
  /** Most tiles of an image (tiled models), by `detail`. */
  readonly maxTiles?: number
}

/** One answer that is asked for. */
export interface EngineRequest {
  /** An id of `models`. */
  readonly model: string
  /** A dialogue (images as bytes; text that spells a control token or the place of an image is text), or a text that is continued as it stands. */
  readonly prompt:
    | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[] }
    | { readonly kind: 'text'; readonly text: string }
  readonly options: EngineOptions
  /** Requests of different scopes share no cache: a hash of the API key, or ''. */
  readonly cacheScope: string
}

/** How an image was seen: the size that the tower really saw, and its positions. */
export interface SeenImage {
  readonly width: number
  readonly height: number
  readonly tokens: number
}

export interface EngineUsage {
  readonly promptTokens: number
  readonly imageTokens: number
  readonly completionTokens: number
  /** Positions of the prompt that were taken from the prefix cache. */
  readonly cachedTokens: number
  readonly images: readonly SeenImage[]
}

/** What comes of a request, in order: any number of pieces, then one end. A failure is thrown (an InputError, or another). */
export type EngineEvent =
  | { readonly type: 'piece'; readonly text: string; readonly logprobs?: readonly ChosenLogprob[] }
  | {
      readonly type: 'end'
      readonly finishReason: 'stop' | 'length'
      readonly usage: EngineUsage
      readonly timings: { readonly firstTokenMs: number; readonly tokensPerSecond: number }
    }

/** A text or an image to embed. */
export type EmbeddingInput = { readonly text: string } | { readonly image: Uint8Array } | { readonly ids: readonly number[] }

/** A look inside an answer. */
export interface InsideRequest {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  /** The answer to look into; absent: the model's own. */
  readonly answer?: string
  readonly maxNewTokens?: number
  /** Tokens beside each of the answer, 0 to 20. */
  readonly alternatives?: number
  readonly cacheScope: string
}

export interface Embedding {
  /** Of length 1. */
  readonly vector: Float32Array
  readonly tokens: number
}

export interface CacheStatistics {
  readonly prefix: {
    readonly entries: number
    readonly bytes: number
    readonly maxBytes: number
    readonly hits: number
    readonly misses: number
  }
  readonly image: {
    readonly entries: number
    readonly bytes: number
    readonly maxBytes: number
    readonly hits: number
    readonly misses: number
  }
}

/** The engine of a server. */
export interface Engine {
  /** The models, the default one first; also while none is loaded. */
  readonly models: readonly EngineModel[]
  /** Whether requests can be answered now: false while the worker starts anew. */
  readonly ready: boolean
  /**
   * Answers a request; the iterator's `return`, or the signal, ends it and gives everything back.
   * @throws InputError (as a rejection of `next`) for bad input; `EngineLostError` when the worker died behind the first piece
   */
  answer(request: EngineRequest, signal: AbortSignal): AsyncIterable<EngineEvent>
  embed(model: string, inputs: readonly EmbeddingInput[], signal: AbortSignal): Promise<readonly Embedding[]>
  /** @throws InputError for bad input, and for an answer too long to look into */
  inside(request: InsideRequest, signal: AbortSignal): Promise<Inside>
  cacheStatistics(): Promise<CacheStatistics>
  clearCaches(): Promise<void>
  /** Lets answers in flight end, then frees everything. */
  close(): Promise<void>
}

/** The process that ran a request died. Nothing of the request is left; asking again is safe. */
export class EngineLostError extends Error {
  override readonly name = 'EngineLostError'
}
