/** The whole model for inference: opens a model directory, encodes images, prefills prompts, and grows sequences. */
import { basename, resolve } from 'node:path'
import type { AbortCheck } from '../common/abort.js'
import { InputError } from '../common/errors.js'
import { packagedModel } from '../common/package-root.js'
import type { TiledPixels } from '../image/tiles.js'
import type { ModelConfig } from '../model/config.js'
import { type OpenCheckpoint, openModel, tokenizerPath } from '../model/open-checkpoint.js'
import type { PromptPart } from '../text/prompt.js'
import { Tokenizer } from '../text/tokenizer.js'
import { DecoderRuntime, type DecoderSequence, type LoadOptions } from './decoder-runtime.js'
import { type GenerationDefaults, readGenerationDefaults } from './generation-config.js'
import type { PrefixCache } from './prefix-cache.js'
import { promptRows } from './prompt-rows.js'
import { VisionRuntime } from './vision-runtime.js'

/** A prompt's end: logits after its last position, and the sequence to continue. */
export interface Prefilled {
  readonly logits: Float32Array
  readonly sequence: DecoderSequence
  /** Positions that were taken from the prefix cache. */
  readonly cachedTokens: number
}

/** How a prompt is started. */
export interface PromptOptions {
  /** Most positions that the sequence may have; default the model's context. */
  readonly limit?: number
  /** Looked at between two passes; its reason is thrown. */
  readonly signal?: AbortCheck | undefined
  /** Prompts of different scopes share nothing of the prefix cache; default ''. */
  readonly scope?: string
  /** Whether the sequence will be a row of the scheduler, in whose memory it is computed then; default false. */
  readonly scheduled?: boolean
}

/**
 * A loaded model. Any number of requests may run on it at the same time: they take turns pass by pass, and each gives what it gives alone.
 * `dispose` ends it, and with it every request that runs: they fail with a DisposedError.
 */
export class XComposer implements AsyncDisposable {
  private constructor(
    readonly name: string,
    readonly decoder: DecoderRuntime,
    readonly tokenizer: Tokenizer,
    private readonly vision: VisionRuntime | undefined,
    /** Bytes of image features that are kept. */
    readonly imageCacheBytes: number | undefined,
  ) {}

  /**
   * Opens a model directory; without one the packaged nano.
   * @example
   * const model = await XComposer.load()
   * @throws InputError when it is missing, broken, or inconsistent
   */
  static async load(dir: string = packagedModel, options: LoadOptions = {}): Promise<XComposer> {
    const checkpoint = withContext(openModel(dir), options.context)
    options.onOpened?.(checkpoint)
    const tokenizer = Tokenizer.load(tokenizerPath(checkpoint))
    const { vocabularySize } = checkpoint.config.decoder
    if (tokenizer.size > vocabularySize) {
      throw new InputError(`${dir}: the tokenizer has ${tokenizer.size} pieces, config.json's vocab_size is ${vocabularySize}`)
    }
    if ('auto_map' in checkpoint.directory.config)
      options.onNotice?.(`${dir}: config.json names code to run (auto_map); it is ignored`)
    return XComposer.of(checkpoint, tokenizer, options)
  }

  /** A model of an opened checkpoint and a tokenizer that need not lie in its directory. */
  static of(checkpoint: OpenCheckpoint, tokenizer: Tokenizer, options: LoadOptions = {}): XComposer {
    const decoder = new DecoderRuntime(checkpoint, options)
    const vision = checkpoint.config.vision
      ? new VisionRuntime(checkpoint.config, decoder.store, decoder.sessionOptions, decoder.visionPasses)
      : undefined
    return new XComposer(basename(resolve(checkpoint.directory.dir)), decoder, tokenizer, vision, options.imageCacheBytes)
  }

  get config(): ModelConfig {
    return this.decoder.config
  }

  /** Sequences of finished answers, for prompts that begin as they did. */
  get prefixes(): PrefixCache {
    return this.decoder.prefixes
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

  /** Images as rows for the decoder: pixels [images, 3, S, S], normalised -> [images * tokens, hidden]. */
  async encodeImages(pixels: Float32Array, images: number): Promise<Float32Array> {
    if (!this.vision) throw new InputError(`${this.name}: this model has no vision tower; ask without images`)
    return this.vision.encode(pixels, images)
  }

  /** One image of a tiled model as rows for the decoder: [tiledTokens, hidden]. */
  async encodeTiledImage(pixels: TiledPixels): Promise<Float32Array> {
    if (!this.vision) throw new InputError(`${this.name}: this model has no vision tower; ask without images`)
    return this.vision.encodeTiled(pixels)
  }

  /**
   * Starts a sequence with a prompt. Where the prefix cache holds one that begins with the same text and images, it is taken up there.
   * @param features rows of each image ([tokens, hidden]), by the number that the prompt's parts name; the same array is the same image
   */
  async prefill(
    parts: readonly PromptPart[],
    features: readonly Float32Array[],
    { limit = this.contextLength, signal, scope = '', scheduled = false }: PromptOptions = {},
  ): Promise<Prefilled> {
    const { rows, tokens, imageColumns, content } = promptRows(this.decoder, parts, features)
    const sequence = await this.decoder.begin({ content, limit, scope, scheduled })
    const { length } = sequence
    const width = this.config.decoder.hiddenSize
    const columns = imageColumns.filter((column) => column >= length).map((column) => column - length)
    try {
      const rest = { content: content.slice(length), signal }
      const logits = await sequence.appendRows(rows.subarray(length * width), tokens - length, columns, rest)
      sequence.promptLength = tokens
      return { logits, sequence, cachedTokens: length }
    } catch (error) {
      sequence.dispose()
      throw error
    }
  }

  /** Whether `dispose` was called. @throws DisposedError then */
  checkAlive(): void {
    this.decoder.checkAlive()
  }

  /**
   * Ends the model: the pass in flight ends, every request that runs fails with a DisposedError, and all memory is freed; where nothing
   * runs, before this returns. Harmless when called again.
   */
  dispose(): Promise<void> {
    return this.decoder.dispose(() => this.vision?.dispose())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }
}

/** The checkpoint with a shorter context. @throws InputError for a longer one */
export function withContext(checkpoint: OpenCheckpoint, context?: number): OpenCheckpoint {
  const { config } = checkpoint
  if (context === undefined) return checkpoint
  if (!Number.isInteger(context) || context < 2 || context > config.maxLength)
    throw new InputError(`context: got ${context}, expected 2 to ${config.maxLength}, which is what the model has`)
  return { ...checkpoint, config: { ...config, maxLength: context } }
}
