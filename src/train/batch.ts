/**
 * A training batch: examples right-padded into one rectangle (SPEC 11.4), with the places of image tokens and the pixels that
 * go there. Also the prefetch that prepares the next batch while one is being computed. It knows nothing of files.
 */
import { type Example, IGNORED } from '../data/conversation.js'

export interface Batch {
  readonly rows: number
  /** Columns, a multiple of 8. */
  readonly length: number
  /** [rows, length]; padId at image positions and on the right. */
  readonly ids: Int32Array
  /** [rows, length], not shifted; -100 where nothing is learned. */
  readonly labels: Int32Array
  /** row * length + column of every image token, by row, image, token. */
  readonly imagePositions: Int32Array
  /** [images, 3, S, S], normalised. */
  readonly pixels: Float32Array
  readonly images: number
  /** How many labels count. */
  readonly labelTokens: number
}

const MULTIPLE = 8

/** Puts examples into one rectangle. `pixels` holds their images in row order. */
export function collate(examples: readonly Example[], pixels: Float32Array, images: number, padId: number): Batch {
  const rows = examples.length
  const longest = examples.reduce((most, e) => Math.max(most, e.ids.length), 1)
  const length = Math.ceil(longest / MULTIPLE) * MULTIPLE
  const ids = new Int32Array(rows * length).fill(padId)
  const labels = new Int32Array(rows * length).fill(IGNORED)
  const imagePositions: number[] = []
  let labelTokens = 0
  examples.forEach((example, row) => {
    example.ids.forEach((id, column) => {
      const at = row * length + column
      const label = example.labels[column] ?? IGNORED
      if (example.imageMask[column]) imagePositions.push(at)
      else ids[at] = id
      labels[at] = label
      if (label !== IGNORED) labelTokens++
    })
  })
  return { rows, length, ids, labels, imagePositions: Int32Array.from(imagePositions), pixels, images, labelTokens }
}

/**
 * Cuts a batch into at most `parts` batches of neighbouring rows, whose sizes differ by one row at most.
 */
export function splitBatch(batch: Omit<Batch, 'labelTokens'>, parts: number): Omit<Batch, 'labelTokens'>[] {
  const { rows, length, images } = batch
  const tokens = images > 0 ? batch.imagePositions.length / images : 0
  const pixels = images > 0 ? batch.pixels.length / images : 0
  const count = Math.min(parts, rows)
  /** How many images stand before a row. */
  const before = (row: number): number => {
    const at = batch.imagePositions.findIndex((position) => position >= row * length)
    return at < 0 ? images : at / tokens
  }
  return Array.from({ length: count }, (_, part) => {
    const first = Math.floor((part * rows) / count)
    const end = Math.floor(((part + 1) * rows) / count)
    const [from, to] = [before(first), before(end)]
    return {
      rows: end - first,
      length,
      ids: batch.ids.subarray(first * length, end * length),
      labels: batch.labels.subarray(first * length, end * length),
      imagePositions: batch.imagePositions.slice(from * tokens, to * tokens).map((position) => position - first * length),
      pixels: batch.pixels.subarray(from * pixels, to * pixels),
      images: to - from,
    }
  })
}

/**
 * Reads batches one step ahead: the returned function gives the batch of a step and already starts on the next, so that
 * decoding overlaps with computing. Steps may come in any order; only the expected next one is ready.
 */
export function prefetch(source: { batchAt(step: number): Promise<Batch> }): (step: number) => Promise<Batch> {
  let ahead: { step: number; batch: Promise<Batch> } | undefined
  return async (step) => {
    const batch = ahead?.step === step ? ahead.batch : source.batchAt(step)
    ahead = undefined
    const ready = await batch
    const next = source.batchAt(step + 1)
    // Whoever asks for this step sees the error; until then it must not count as unhandled.
    next.catch(() => {})
    ahead = { step: step + 1, batch: next }
    return ready
  }
}
