/** The decoder of one model directory and the sequences that grow on it: ids or rows in, logits out. */

import { basename, resolve } from 'node:path'
import type { AbortCheck } from '../common/abort.js'
import { DisposedError, InputError } from '../common/errors.js'
import type { SessionOptions } from '../engine/index.js'
import type { ModelConfig } from '../model/config.js'
import { isStretched } from '../model/decoder/rotary.js'
import type { OpenCheckpoint } from '../model/open-checkpoint.js'
import { DecoderBranches } from './branches.js'
import { type AttentionKind, type DecoderOutput, DecoderSessions } from './decoder-sessions.js'
import { KvCache, kvBytes, RotaryState } from './kv-cache.js'
import { PassQueue } from './passes.js'
import { type FoundPrefix, PrefixCache } from './prefix-cache.js'
import { DEFAULT_SLOTS, Scheduler } from './scheduler.js'
import type { BranchingSequence, RewindableSequence } from './sequence.js'
import { WeightStore } from './weight-store.js'

/** How a model runs. */
export interface LoadOptions {
  readonly threads?: number
  /** Most positions of a sequence; default and at most the model's. */
  readonly context?: number
  readonly provider?: 'cpu' | 'cuda' | 'webgpu' | 'coreml' | 'dml'
  /** Answers that are decoded together at most; further ones wait for a place. Default 16. */
  readonly slots?: number
  /**
   * Bytes of keys and values that are kept of finished answers, for prompts that begin as they did; 0: none. Default: what one sequence
   * of the model's full length takes, and at least 256 MiB.
   */
  readonly prefixCacheBytes?: number
  /** Bytes of image features that are kept; 0: none. Default 256 MiB. */
  readonly imageCacheBytes?: number
  /** Receives one line where something was not as asked (a provider that is not there). */
  readonly onNotice?: (line: string) => void
  /** Sees the checked checkpoint before anything of it is read into memory; what it throws ends the loading. */
  readonly onOpened?: (checkpoint: OpenCheckpoint) => void
}

const DEFAULT_CACHE_BYTES = 256 * 2 ** 20

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

/** A prompt that is about to be prefilled. */
export interface SequenceOptions {
  /** As in PrefillOptions, for all of the prompt. */
  readonly content: readonly number[]
  readonly limit: number
  readonly scope: string
  /** Whether it will be a row of the scheduler. */
  readonly scheduled: boolean
}

/**
 * A decoder over a KV cache without text or images: what goldens and checks need. Its sequences may be used at the same time: their passes
 * take turns. `dispose` lets the pass in flight end, and disposes what sequences there are.
 */
export class DecoderRuntime {
  readonly store: WeightStore
  readonly sessions: DecoderSessions
  /** How all sessions of this model run. */
  readonly sessionOptions: SessionOptions
  /** The turns of the decoder's passes. */
  readonly passes: PassQueue
  /** Those of the vision tower, which go on beside the decoder's: one of them takes as long as many tokens. */
  readonly visionPasses: PassQueue
  /** Sequences that nobody has disposed yet. */
  readonly living = new Set<{ dispose(): void }>()
  /** Rotary tables of all sequences, where they do not depend on a sequence's length. */
  readonly rotary: RotaryState
  /** Sequences of finished answers, for prompts that begin as they did. */
  readonly prefixes: PrefixCache
  /** The answers that are being made together. */
  readonly scheduler: Scheduler
  private ending: Promise<void> | undefined

  constructor(
    readonly checkpoint: OpenCheckpoint,
    options: LoadOptions = {},
  ) {
    this.store = new WeightStore(checkpoint, options.onNotice)
    this.sessionOptions = sessionOptions(options)
    const what = `model ${basename(resolve(checkpoint.directory.dir))}`
    this.passes = new PassQueue(what)
    this.visionPasses = new PassQueue(what)
    const { decoder, maxLength } = checkpoint.config
    this.sessions = new DecoderSessions(decoder, this.store, this.sessionOptions, this.passes)
    this.rotary = new RotaryState(decoder)
    this.prefixes = new PrefixCache(options.prefixCacheBytes ?? Math.max(DEFAULT_CACHE_BYTES, kvBytes(decoder, maxLength)))
    this.scheduler = new Scheduler(this, options.slots ?? DEFAULT_SLOTS, this.canBatch)
  }

  get config(): ModelConfig {
    return this.checkpoint.config
  }

  /** Keeps the sequence of a finished answer for prompts that begin as it does; it is not the caller's any more. */
  keep(sequence: DecoderSequence): void {
    if (isStretched(this.config.decoder, sequence.length)) sequence.dispose()
    else this.prefixes.put(sequence)
  }

  /** An empty sequence. @param rotary shared state of the reference's sticky tables; by default each sequence has its own */
  sequence(limit = this.config.maxLength, rotary?: RotaryState): DecoderSequence {
    this.checkAlive()
    const shared = rotary ?? (this.canBatch ? this.rotary : undefined)
    const c = this.config.decoder
    return new DecoderSequence(this, shared ? new KvCache(c, limit, shared, false) : new KvCache(c, limit))
  }

  /** Whether sequences can be decoded together: not where dynamic scaling gives each length rotary tables of its own. */
  get canBatch(): boolean {
    return !isStretched(this.config.decoder, this.config.maxLength)
  }

  /**
   * A sequence for a prompt, with what the prefix cache has of it: the first `length` positions, the only ones that it holds.
   * @throws InputError where the prompt does not fit, DisposedError
   */
  begin({ content, limit, scope, scheduled }: SequenceOptions): Promise<DecoderSequence> {
    this.checkAlive()
    return this.passes.run(async () => {
      // Dynamic scaling rotates earlier keys by a length that was not known then.
      const stretched = isStretched(this.config.decoder, content.length)
      const found = stretched ? undefined : this.prefixes.find({ content, limit, scope }, this.scheduler.running)
      const sequence = found?.taken ? found.source : this.sequence(limit)
      sequence.scope = scope
      try {
        if (scheduled) this.scheduler.enter(sequence)
        if (found && !found.taken) sequence.copyFrom(found, content.length)
        return sequence
      } catch (error) {
        sequence.dispose()
        throw error
      }
    })
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
    const ended = [this.passes, this.visionPasses].flatMap((queue) => queue.close().ended ?? [])
    if (ended.length > 0) await Promise.all(ended)
    this.prefixes.close()
    this.scheduler.dispose()
    for (const one of [...this.living]) one.dispose()
    this.rotary.dispose()
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
  /** Prompts of other scopes do not see it in the prefix cache. */
  scope = ''

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

  /** Appends one id; the logits [vocab] after it, and each layer's weights of attention, [heads or 1, 1, length]. */
  async appendLooking(id: number, attention: AttentionKind): Promise<Pick<DecoderOutput, 'logits' | 'attention'>> {
    const step = { embeddings: this.model.store.embed([id]), tokens: 1, logitColumns: [0], attention }
    const output = await this.model.sessions.run(step, this.cache)
    this.content.push(id)
    return output
  }

  /** Takes over the beginning of another sequence; it must be empty. @param room positions that will follow soon */
  copyFrom({ source, length }: FoundPrefix, room: number): void {
    this.cache.reserve(room)
    this.cache.copyFrom(source.cache, length)
    for (let i = 0; i < length; i++) this.content.push(source.content[i] as number)
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
      end = Math.min(tokens, prefillChunkEnd(before + start) - before)
      const part = rows.subarray(start * width, end * width)
      const step = {
        embeddings: part,
        tokens: end - start,
        room,
        imageColumns: imageColumns.filter((c) => c >= start && c < end).map((c) => c - start),
        logitColumns: end === tokens ? [end - start - 1] : [],
        signal,
        mostRows: () => this.model.scheduler.mostRows,
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
