/** The whole model for inference: opens a model directory, encodes images, prefills prompts, and grows sequences. */
import { basename, resolve } from 'node:path'
import { InputError } from '../common/errors.js'
import { packagedModel } from '../common/package-root.js'
import type { TiledPixels } from '../image/tiles.js'
import type { ModelConfig } from '../model/config.js'
import { isStretched } from '../model/decoder/rotary.js'
import { type OpenCheckpoint, openModel, tokenizerPath } from '../model/open-checkpoint.js'
import type { PromptPart } from '../text/prompt.js'
import { Tokenizer } from '../text/tokenizer.js'
import { DecoderBatch } from './decoder-batch.js'
import { DecoderRuntime, type DecoderSequence, type LoadOptions } from './decoder-runtime.js'
import { type GenerationDefaults, readGenerationDefaults } from './generation-config.js'
import { promptRows } from './prompt-rows.js'
import { VisionRuntime } from './vision-runtime.js'

/** A prompt's end: logits after its last position, and the sequence to continue. */
export interface Prefilled {
  readonly logits: Float32Array
  readonly sequence: DecoderSequence
}

/** Fewer common positions than this are computed again: nearly every prompt begins with some. */
const WORTH_KEEPING = 16

/** A loaded model; `dispose` once, after its sequences. */
export class XComposer {
  /** The sequence of the last answer: a follow-up begins as it did. */
  private kept: DecoderSequence | undefined

  private constructor(
    readonly name: string,
    readonly decoder: DecoderRuntime,
    readonly tokenizer: Tokenizer,
    private readonly vision: VisionRuntime | undefined,
  ) {}

  /**
   * Opens a model directory; without one the packaged nano.
   * @throws InputError when it is missing, broken, or inconsistent
   */
  static async load(dir: string = packagedModel, options: LoadOptions = {}): Promise<XComposer> {
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
  static of(checkpoint: OpenCheckpoint, tokenizer: Tokenizer, options: LoadOptions = {}): XComposer {
    const decoder = new DecoderRuntime(checkpoint, options)
    const vision = checkpoint.config.vision
      ? new VisionRuntime(checkpoint.config, decoder.store, decoder.sessionOptions)
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

  /** Images as rows for the decoder: pixels [images, 3, S, S], normalised -> [images * tokens, hidden]. */
  async encodeImages(pixels: Float32Array, images: number): Promise<Float32Array> {
    if (!this.vision) throw new InputError(`${this.name}: this model has no vision tower; ask without pictures`)
    return this.vision.encode(pixels, images)
  }

  /** One image of a tiled model as rows for the decoder: [tiledTokens, hidden]. */
  async encodeTiledImage(pixels: TiledPixels): Promise<Float32Array> {
    if (!this.vision) throw new InputError(`${this.name}: this model has no vision tower; ask without pictures`)
    return this.vision.encodeTiled(pixels)
  }

  /**
   * Starts a sequence with a prompt. Where the kept sequence begins with the same text and images, it is taken up there.
   * @param features rows of each image ([tokens, hidden]), by the number that the prompt's parts name; the same array is the same image
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

  /** A sequence that already holds the first `length` positions: the kept one, or an empty one in its place, so that one is in memory. */
  private begun(content: readonly number[], limit: number): { sequence: DecoderSequence; length: number } {
    const { kept } = this
    this.kept = undefined
    // Dynamic scaling rotates earlier keys by a length that was not known then.
    if (kept && kept.cache.limit === limit && !isStretched(this.config.decoder, content.length)) {
      // The last position is always computed: its logits are asked for.
      const length = Math.min(kept.common(content), content.length - 1)
      if (length >= WORTH_KEEPING) {
        kept.rewind(length)
        return { sequence: kept, length }
      }
    }
    kept?.dispose()
    return { sequence: this.decoder.sequence(limit), length: 0 }
  }

  dispose(): void {
    this.kept?.dispose()
    this.kept = undefined
    this.vision?.dispose()
    this.decoder.dispose()
  }
}
