/**
 * Embeddings: a text or an image as one vector of length 1. It is the mean of the decoder's last hidden states, behind its last norm, over
 * the positions of the text, or over the rows of the image: so both lie in one space, where a cosine says how alike they are to the model.
 * The beginning of text stands in front of either and is left out of the mean: it looks the same whatever follows.
 */
import type { AbortCheck } from '../common/abort.js'
import { InputError } from '../common/errors.js'
import type { ImageSource } from '../image/source.js'
import { prefillChunkEnd } from '../inference/decoder-runtime.js'
import { promptRows } from '../inference/prompt-rows.js'
import type { XComposer } from '../inference/xcomposer.js'
import { assemble, type PromptPart } from '../text/prompt.js'
import { encodeOpened, type ImageOptions, openImages } from './images.js'

/** What is embedded: a text, the ids of one, or an image. */
export type Embeddable =
  | { readonly text: string }
  | { readonly ids: readonly number[] }
  | { readonly image: ImageSource; readonly name?: string }

/** How images are prepared, and what ends the work. */
export interface EmbedOptions extends ImageOptions {
  /** Looked at between two passes; its reason is thrown. */
  readonly signal?: AbortCheck | undefined
}

/** An input as a vector. */
export interface EmbeddedInput {
  /** [hidden], of length 1. */
  readonly vector: Float32Array
  /** Positions over which the mean was taken. */
  readonly tokens: number
}

/**
 * The embedding of one input.
 * @example
 * const [a, b] = [await embed(model, { text: 'a red house' }), await embed(model, { image: 'house.png' })]
 * const cosine = a.vector.reduce((sum, x, i) => sum + x * (b.vector[i] ?? 0), 0)
 * @throws InputError for an empty text, an id outside of the vocabulary, an image that cannot be read, and (code `context_length_exceeded`)
 * what does not fit; the signal's reason
 */
export async function embed(model: XComposer, input: Embeddable, options: EmbedOptions = {}): Promise<EmbeddedInput> {
  const { signal, ...imageOptions } = options
  model.checkAlive()
  signal?.throwIfAborted()
  const { parts, features } = await prompt(model, input, imageOptions, signal)
  const { rows, tokens, imageColumns } = promptRows(model.decoder, parts, features)
  const { hiddenSize } = model.config.decoder
  const sum = new Float64Array(hiddenSize)
  const sequence = model.decoder.sequence(tokens)
  try {
    for (let start = 0, end: number; start < tokens; start = end) {
      signal?.throwIfAborted()
      end = Math.min(tokens, prefillChunkEnd(start))
      const step = {
        embeddings: rows.subarray(start * hiddenSize, end * hiddenSize),
        tokens: end - start,
        room: tokens,
        imageColumns: imageColumns.filter((c) => c >= start && c < end).map((c) => c - start),
        logitColumns: [],
        hidden: 'last' as const,
      }
      const [states] = (await model.decoder.sessions.run(step, sequence.cache)).hidden
      if (states) addRows(sum, states.subarray(start === 0 ? hiddenSize : 0))
    }
  } finally {
    sequence.dispose()
  }
  const length = Math.hypot(...sum)
  return { vector: Float32Array.from(sum, (value) => (length > 0 ? value / length : 0)), tokens: tokens - 1 }
}

/** The beginning of text, and behind it what is embedded. */
async function prompt(
  model: XComposer,
  input: Embeddable,
  options: ImageOptions,
  check: AbortCheck | undefined,
): Promise<{ parts: PromptPart[]; features: Float32Array[] }> {
  const { tokenizer, contextLength } = model
  const first: PromptPart = { kind: 'text', ids: [tokenizer.bosId] }
  if ('image' in input) {
    const opened = await openImages(model, [{ source: input.image, name: input.name ?? 'image' }], options)
    const tokens = opened.reduce((n, image) => n + image.tokens, 0)
    const parts: PromptPart[] = [first, { kind: 'image', image: 0, tokens }]
    checkLength(tokens + 1, contextLength)
    return { parts, features: await encodeOpened(model, opened, check) }
  }
  if ('text' in input) {
    if (typeof input.text !== 'string' || input.text === '') throw new InputError('input: expected a text that is not empty')
    const options = { images: 0, imageTokens: 0, maxLength: contextLength }
    return { parts: assemble(tokenizer, [input.text], 'first-part', options).parts, features: [] }
  }
  if (input.ids.length === 0) throw new InputError('input: expected at least one token id')
  checkLength(input.ids.length + 1, contextLength)
  return { parts: [{ kind: 'text', ids: [tokenizer.bosId, ...input.ids] }], features: [] }
}

function checkLength(positions: number, most: number): void {
  if (positions <= most) return
  throw new InputError(`the input takes ${positions} positions, at most ${most} fit; shorten it`, {
    code: 'context_length_exceeded',
  })
}

/** Adds the rows of [rows, sum.length] up. */
function addRows(sum: Float64Array, rows: Float32Array): void {
  for (let i = 0; i < rows.length; i++) sum[i % sum.length] = (sum[i % sum.length] as number) + (rows[i] as number)
}
