/** The decoder of one model directory and the sequences that grow on it: ids or rows in, logits out. */

import { basename, resolve } from 'node:path'
import type { AbortCheck } from '../common/abort.js'
import { DisposedError, InputError } from '../common/errors.js'
import type { SessionOptions } from '../engine/index.js'
import type { ModelConfig } from '../model/config.js'
import type { OpenCheckpoint } from '../model/open-checkpoint.js'
import { DecoderBranches } from './branches.js'
import { DecoderSessions } from './decoder-sessions.js'
import { KvCache, type RotaryState } from './kv-cache.js'
import { PassQueue } from './passes.js'
import type { BranchingSequence, RewindableSequence } from './sequence.js'
import { WeightStore } from './weight-store.js'

/** How a model runs. */
export interface LoadOptions {
  readonly threads?: number
  /** Most positions of a sequence; default and at most the model's. */
  readonly context?: number
  readonly provider?: 'cpu' | 'cuda' | 'webgpu' | 'coreml' | 'dml'
  /** Receives one line where something was not as asked (a provider that is not there). */
  readonly onNotice?: (line: string) => void
  /** Sees the checked checkpoint before anything of it is read into memory; what it throws ends the loading. */
  readonly onOpened?: (checkpoint: OpenCheckpoint) => void
}

/** Positions a prompt is prefilled in at once: bounds the memory of attention and of the activations. */
const PREFILL_CHUNK = 512

/** Where the chunk of a position ends. It lies at the same places whatever was computed before, so that a position is always computed alike. */
export function prefillChunkEnd(position: number): number {
  return (Math.floor(position / PREFILL_CHUNK) + 1) * PREFILL_CHUNK
}

/** How a prompt is prefilled. */
export interface PrefillOptions {
  /** What the rows are, as in promptRows; without it the sequence is never reused. */
  readonly content?: readonly number[]
  /** Looked at between two chunks of the prompt; its reason is thrown. */
  readonly signal?: AbortCheck | undefined
}

/**
 * A decoder over a KV cache without text or images: what goldens and checks need. Its sequences may be used at the same time: their passes
 * take turns. `dispose` lets the pass in flight end, and disposes what sequences and batches there are.
 */
export class DecoderRuntime {
  readonly store: WeightStore
  readonly sessions: DecoderSessions
  /** How all sessions of this model run. */
  readonly sessionOptions: SessionOptions
  /** The turns of everything native that runs on this model. */
  readonly passes: PassQueue
  /** Sequences and batches that nobody has disposed yet. */
  readonly living = new Set<{ dispose(): void }>()
  private ending: Promise<void> | undefined

  constructor(
    readonly checkpoint: OpenCheckpoint,
    options: LoadOptions = {},
  ) {
    this.store = new WeightStore(checkpoint, options.onNotice)
    this.sessionOptions = sessionOptions(options)
    this.passes = new PassQueue(`model ${basename(resolve(checkpoint.directory.dir))}`)
    this.sessions = new DecoderSessions(checkpoint.config.decoder, this.store, this.sessionOptions, this.passes)
  }

  get config(): ModelConfig {
    return this.checkpoint.config
  }

  /** An empty sequence. @param rotary shared state of the reference's sticky tables; by default each sequence has its own */
  sequence(limit = this.config.maxLength, rotary?: RotaryState): DecoderSequence {
    this.checkAlive()
    const c = this.config.decoder
    return new DecoderSequence(this, rotary ? new KvCache(c, limit, rotary, false) : new KvCache(c, limit))
  }

  /** @throws DisposedError after `dispose` */
  checkAlive(): void {
    if (this.ending) throw new DisposedError(this.passes.what)
  }

  /**
   * Ends the model: the pass in flight ends, those that wait fail with a DisposedError, and all memory is freed; without a pass in
   * flight before this returns. Harmless when called again.
   * @param first runs before the weights are freed
   */
  dispose(first?: () => void): Promise<void> {
    this.ending ??= this.end(first)
    return this.ending
  }

  private async end(first?: () => void): Promise<void> {
    const { ended } = this.passes.close()
    if (ended) await ended
    for (const one of [...this.living]) one.dispose()
    first?.()
    this.sessions.dispose()
    this.store.dispose()
  }
}

/** A growing sequence of one model. It is used by one caller at a time; afterwards `dispose`, which is harmless during a pass. */
export class DecoderSequence implements RewindableSequence, BranchingSequence {
  /** What stands at each position: an id, or a negative number for a row of an image (NaN where nobody said which). */
  readonly content: number[] = []
  /** How many of the first positions are a prompt; the others were appended behind it. */
  promptLength = 0

  constructor(
    private readonly model: DecoderRuntime,
    readonly cache: KvCache,
  ) {
    model.living.add(this)
  }

  get length(): number {
    return this.cache.length
  }

  async append(ids: readonly number[]): Promise<Float32Array> {
    return this.appendRows(this.model.store.embed(ids), ids.length, [], { content: ids })
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
   * Appends embeddings [tokens, hidden], some of them image rows (columns in ascending order), PREFILL_CHUNK at a time; logits [vocab]
   * after the last.
   * @throws InputError beyond the context, DisposedError after `dispose`, and the signal's reason
   */
  async appendRows(
    rows: Float32Array,
    tokens: number,
    imageColumns: readonly number[],
    { content, signal }: PrefillOptions = {},
  ): Promise<Float32Array> {
    if (tokens === 0) throw new InputError('a prompt needs at least one position')
    const width = this.model.config.decoder.hiddenSize
    const before = this.cache.length
    const room = before + tokens
    let logits: Float32Array = new Float32Array(0)
    for (let start = 0, end: number; start < tokens; start = end) {
      signal?.throwIfAborted()
      end = Math.min(tokens, prefillChunkEnd(before + start) - before)
      const part = rows.subarray(start * width, end * width)
      const step = {
        embeddings: part,
        tokens: end - start,
        room,
        imageColumns: imageColumns.filter((c) => c >= start && c < end).map((c) => c - start),
        logitColumns: end === tokens ? [end - start - 1] : [],
      }
      logits = (await this.model.sessions.run(step, this.cache)).logits
      for (let i = start; i < end; i++) this.content.push(content?.[i] ?? Number.NaN)
    }
    return logits
  }

  branch(): DecoderBranches {
    return new DecoderBranches(this.model, this.cache)
  }

  dispose(): void {
    this.model.living.delete(this)
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
