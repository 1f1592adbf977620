/** The decoder of one model directory and the sequences that grow on it: ids or rows in, logits out. */

import { InputError } from '../common/errors.js'
import type { SessionOptions } from '../engine/index.js'
import type { ModelConfig } from '../model/config.js'
import type { OpenCheckpoint } from '../model/open-checkpoint.js'
import { DecoderBranches } from './branches.js'
import { DecoderSessions } from './decoder-sessions.js'
import { KvCache, type RotaryState } from './kv-cache.js'
import type { BranchingSequence, RewindableSequence } from './sequence.js'
import { WeightStore } from './weight-store.js'

/** How a model runs. */
export interface LoadOptions {
  readonly threads?: number
  readonly provider?: 'cpu' | 'cuda' | 'webgpu' | 'coreml' | 'dml'
  /** Receives one line where something was not as asked (a provider that is not there). */
  readonly onNotice?: (line: string) => void
  /** Sees the checked checkpoint before anything of it is read into memory; what it throws ends the loading. */
  readonly onOpened?: (checkpoint: OpenCheckpoint) => void
}

/** Positions a prompt is prefilled in at once: bounds the memory of attention and of the activations. */
const PREFILL_CHUNK = 512

/** A decoder over a KV cache without text or images: what goldens and checks need. */
export class DecoderRuntime {
  readonly store: WeightStore
  readonly sessions: DecoderSessions
  /** How all sessions of this model run. */
  readonly sessionOptions: SessionOptions

  constructor(
    readonly checkpoint: OpenCheckpoint,
    options: LoadOptions = {},
  ) {
    this.store = new WeightStore(checkpoint, options.onNotice)
    this.sessionOptions = sessionOptions(options)
    this.sessions = new DecoderSessions(checkpoint.config.decoder, this.store, this.sessionOptions)
  }

  get config(): ModelConfig {
    return this.checkpoint.config
  }

  /** An empty sequence. @param rotary shared state of the reference's sticky tables; by default each sequence has its own */
  sequence(limit = this.config.maxLength, rotary?: RotaryState): DecoderSequence {
    const c = this.config.decoder
    return new DecoderSequence(this, rotary ? new KvCache(c, limit, rotary, false) : new KvCache(c, limit))
  }

  dispose(): void {
    this.sessions.dispose()
    this.store.dispose()
  }
}

/** A growing sequence of one model. */
export class DecoderSequence implements RewindableSequence, BranchingSequence {
  /** What stands at each position: an id, or a negative number for a row of an image (NaN where nobody said which). */
  private content: number[] = []

  constructor(
    private readonly model: DecoderRuntime,
    readonly cache: KvCache,
  ) {}

  get length(): number {
    return this.cache.length
  }

  async append(ids: readonly number[]): Promise<Float32Array> {
    return this.appendRows(this.model.store.embed(ids), ids.length, [], ids)
  }

  /** How many of the first positions are those of `content`. */
  common(content: readonly number[]): number {
    const most = Math.min(this.content.length, content.length)
    let same = 0
    while (same < most && this.content[same] === content[same]) same++
    return same
  }

  async appendAll(ids: readonly number[]): Promise<Float32Array[]> {
    const logitColumns = ids.map((_, i) => i)
    const step = { embeddings: this.model.store.embed(ids), tokens: ids.length, logitColumns }
    const { logits } = await this.model.sessions.run(step, this.cache)
    this.content.push(...ids)
    const width = this.model.config.decoder.vocabularySize
    return ids.map((_, i) => logits.slice(i * width, (i + 1) * width))
  }

  rewind(length: number): void {
    this.cache.length = Math.min(this.cache.length, length)
    this.content.length = this.cache.length
  }

  /**
   * Appends embeddings [tokens, hidden], some of them image rows (columns in ascending order); logits after the last.
   * @param content what the rows are, as in promptRows; without it the sequence is never reused
   */
  async appendRows(
    rows: Float32Array,
    tokens: number,
    imageColumns: readonly number[],
    content: readonly number[] = new Array<number>(tokens).fill(Number.NaN),
  ): Promise<Float32Array> {
    if (tokens === 0) throw new InputError('a prompt needs at least one position')
    const width = this.model.config.decoder.hiddenSize
    this.cache.reserve(this.cache.length + tokens)
    let logits: Float32Array = new Float32Array(0)
    for (let start = 0; start < tokens; start += PREFILL_CHUNK) {
      const end = Math.min(tokens, start + PREFILL_CHUNK)
      const part = rows.subarray(start * width, end * width)
      const step = {
        embeddings: part,
        tokens: end - start,
        imageColumns: imageColumns.filter((c) => c >= start && c < end).map((c) => c - start),
        logitColumns: end === tokens ? [end - start - 1] : [],
      }
      logits = (await this.model.sessions.run(step, this.cache)).logits
      for (let i = start; i < end; i++) this.content.push(content[i] as number)
    }
    return logits
  }

  branch(): DecoderBranches {
    return new DecoderBranches(this.model, this.cache)
  }

  dispose(): void {
    this.cache.dispose()
  }
}

function sessionOptions(options: LoadOptions): SessionOptions {
  // Each session of the model falls back by itself: one notice is enough.
  const said = new Set<string>()
  const once = (line: string): void => {
    if (!said.has(line)) options.onNotice?.(line)
    said.add(line)
  }
  return {
    ...(options.threads ? { threads: options.threads } : {}),
    ...(options.provider ? { provider: options.provider } : {}),
    ...(options.onNotice ? { onFallback: once } : {}),
  }
}
