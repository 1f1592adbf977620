/** The whole model for inference: opens a model directory, encodes pictures, prefills prompts, and grows sequences. */
import { basename, resolve } from 'node:path'
import type { SessionOptions } from '../engine/index.js'
import { InputError } from '../errors.js'
import type { TiledPixels } from '../image/tiles.js'
import type { PromptPart } from '../text/prompt.js'
import { Tokenizer } from '../text/tokenizer.js'
import { DecoderBranches } from './branches.js'
import { type CheckpointModel, openModel, tokenizerPath } from './checkpoint-model.js'
import type { ModelConfig } from './config.js'
import { DecoderBatch } from './decoder-batch.js'
import { DecoderSessions } from './decoder-session.js'
import { type GenerationDefaults, readGenerationDefaults } from './generation-config.js'
import { KvCache, type RotaryState } from './kv-cache.js'
import { isStretched } from './rotary.js'
import type { BranchingSequence, RewindableSequence } from './sequence.js'
import { VisionSession } from './vision-session.js'
import { WeightStore } from './weight-store.js'

/** How a model runs. */
export interface LoadOptions {
  readonly threads?: number
  readonly provider?: 'cpu' | 'cuda' | 'webgpu' | 'coreml' | 'dml'
  /** Receives one line where something was not as asked (a provider that is not there). */
  readonly onNotice?: (line: string) => void
  /** Sees the checked checkpoint before anything of it is read into memory; what it throws ends the loading. */
  readonly onOpened?: (checkpoint: CheckpointModel) => void
}

/** A prompt's end: logits after its last position, and the sequence to continue. */
export interface Prefilled {
  readonly logits: Float32Array
  readonly sequence: DecoderSequence
}

/** Positions a prompt is prefilled in at once: bounds the memory of attention and of the activations. */
const PREFILL_CHUNK = 512
/** Fewer common positions than this are computed again: the kept sequence may serve a better match. */
const WORTH_KEEPING = 16

/** A decoder over a KV cache without text or pictures: what goldens and checks need. */
export class DecoderModel {
  readonly store: WeightStore
  readonly sessions: DecoderSessions
  /** How all sessions of this model run. */
  readonly sessionOptions: SessionOptions

  constructor(
    readonly checkpoint: CheckpointModel,
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
  /** What stands at each position: an id, or a negative number for a row of a picture (NaN where nobody said which). */
  private content: number[] = []

  constructor(
    private readonly model: DecoderModel,
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

/** A loaded model; `dispose` once, after its sequences. */
export class XComposer {
  /** The sequence of the last answer: a follow-up begins as it did. */
  private kept: DecoderSequence | undefined

  private constructor(
    readonly name: string,
    readonly decoder: DecoderModel,
    readonly tokenizer: Tokenizer,
    private readonly vision: VisionSession | undefined,
  ) {}

  /**
   * Opens a model directory.
   * @throws InputError when it is missing, broken, or inconsistent
   */
  static async load(dir: string, options: LoadOptions = {}): Promise<XComposer> {
    const checkpoint = openModel(dir)
    options.onOpened?.(checkpoint)
    const tokenizer = Tokenizer.load(tokenizerPath(checkpoint))
    const { vocabularySize } = checkpoint.config.decoder
    if (tokenizer.size > vocabularySize) {
      throw new InputError(`${dir}: tokenizer.model has ${tokenizer.size} pieces, config.json's vocab_size is ${vocabularySize}`)
    }
    if ('auto_map' in checkpoint.directory.config)
      options.onNotice?.(`${dir}: config.json names code to run (auto_map); it is ignored`)
    return XComposer.of(checkpoint, tokenizer, options)
  }

  /** A model of an opened checkpoint and a tokenizer that need not lie in its directory. */
  static of(checkpoint: CheckpointModel, tokenizer: Tokenizer, options: LoadOptions = {}): XComposer {
    const decoder = new DecoderModel(checkpoint, options)
    const vision = checkpoint.config.vision
      ? new VisionSession(checkpoint.config, decoder.store, decoder.sessionOptions)
      : undefined
    return new XComposer(basename(resolve(checkpoint.directory.dir)), decoder, tokenizer, vision)
  }

  get config(): ModelConfig {
    return this.decoder.config
  }

  /** Compiles what requests use; otherwise the first request of a kind does, in a second or so for each gigabyte. */
  async prepare(): Promise<void> {
    await this.decoder.sessions.prepare()
    await this.vision?.prepare()
  }

  /** Sampling defaults of the model directory. */
  get defaults(): GenerationDefaults {
    return readGenerationDefaults(this.decoder.checkpoint.directory)
  }

  /** Most positions a sequence may have. */
  get contextLength(): number {
    return this.config.maxLength
  }

  /** Pictures as rows for the decoder: pixels [images, 3, S, S], normalised -> [images * tokens, hidden]. */
  async encodeImages(pixels: Float32Array, images: number): Promise<Float32Array> {
    if (!this.vision) throw new InputError(`${this.name}: this model has no vision tower; ask without pictures`)
    return this.vision.encode(pixels, images)
  }

  /** One picture of a tiled model as rows for the decoder: [tiledTokens, hidden]. */
  async encodeTiledImage(pixels: TiledPixels): Promise<Float32Array> {
    if (!this.vision) throw new InputError(`${this.name}: this model has no vision tower; ask without pictures`)
    return this.vision.encodeTiled(pixels)
  }

  /**
   * Starts a sequence with a prompt. Where the kept sequence begins with the same text and pictures, it is taken up there.
   * @param features rows of each picture ([tokens, hidden]), by the number that the prompt's parts name; the same array is the same picture
   */
  async prefill(parts: readonly PromptPart[], features: readonly Float32Array[], limit = this.contextLength): Promise<Prefilled> {
    const { rows, tokens, imageColumns, content } = promptRows(this.decoder, parts, features)
    const { sequence, length } = this.begun(content, limit)
    const width = this.config.decoder.hiddenSize
    const columns = imageColumns.filter((column) => column >= length).map((column) => column - length)
    try {
      const logits = await sequence.appendRows(rows.subarray(length * width), tokens - length, columns, content.slice(length))
      return { logits, sequence }
    } catch (error) {
      sequence.dispose()
      throw error
    }
  }

  /** Whether sequences can be decoded together: not where dynamic scaling gives each length rotary tables of its own. */
  get canBatch(): boolean {
    return !isStretched(this.config.decoder, this.contextLength)
  }

  /** Room for `size` sequences that are decoded together. @param positions what the longest is expected to need */
  batch(size: number, positions: number): DecoderBatch {
    return new DecoderBatch(this.decoder, size, positions)
  }

  /** Takes a sequence over, in place of the one kept so far, for prompts that begin alike. */
  keep(sequence: DecoderSequence): void {
    this.kept?.dispose()
    this.kept = sequence
  }

  /** A sequence that already holds the first `length` positions: the kept one, or an empty one. */
  private begun(content: readonly number[], limit: number): { sequence: DecoderSequence; length: number } {
    const { kept } = this
    // Dynamic scaling rotates earlier keys by a length that was not known then.
    if (kept && kept.cache.limit === limit && !isStretched(this.config.decoder, content.length)) {
      // The last position is always computed: its logits are asked for.
      const length = Math.min(kept.common(content), content.length - 1)
      if (length >= WORTH_KEEPING) {
        this.kept = undefined
        kept.rewind(length)
        return { sequence: kept, length }
      }
    }
    return { sequence: this.decoder.sequence(limit), length: 0 }
  }

  dispose(): void {
    this.kept?.dispose()
    this.kept = undefined
    this.vision?.dispose()
    this.decoder.dispose()
  }
}

/** Numbers for pictures, by the identity of their rows. */
const pictureNumbers = new WeakMap<Float32Array, number>()
let pictures = 0
/** More rows than a picture can have. */
const MOST_ROWS = 2 ** 24

function pictureNumber(rows: Float32Array): number {
  const known = pictureNumbers.get(rows)
  if (known !== undefined) return known
  pictureNumbers.set(rows, ++pictures)
  return pictures
}

/**
 * Concatenates text embeddings and picture rows in prompt order. `content` says what stands at each position: an id, or for a row of
 * a picture a negative number that no other picture has.
 */
export function promptRows(decoder: DecoderModel, parts: readonly PromptPart[], features: readonly Float32Array[]) {
  const width = decoder.config.decoder.hiddenSize
  const pieces: Float32Array[] = []
  const imageColumns: number[] = []
  const content: number[] = []
  for (const part of parts) {
    if (part.kind === 'text') {
      pieces.push(decoder.store.embed(part.ids))
      content.push(...part.ids)
      continue
    }
    const rows = features[part.image]
    if (!rows) throw new InputError(`the prompt names picture ${part.image + 1}, but only ${features.length} were given`)
    pieces.push(rows.subarray(0, part.tokens * width))
    const number = pictureNumber(rows)
    for (let i = 0; i < part.tokens; i++) {
      imageColumns.push(content.length)
      content.push(-(number * MOST_ROWS + i))
    }
  }
  const tokens = content.length
  const rows = new Float32Array(new ArrayBuffer(tokens * width * 4))
  let at = 0
  for (const piece of pieces) {
    rows.set(piece, at)
    at += piece.length
  }
  return { rows, tokens, imageColumns, content }
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
