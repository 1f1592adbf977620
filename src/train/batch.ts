/**
 * A training batch: examples right-padded into one rectangle (SPEC 11.4), with the places of image tokens and the pixels that
 * go there. Also the prefetch that prepares the next batch while one is being computed. It knows nothing of files.
 */
import { type Example, IGNORED } from '../data/conversation.js'
import type { ImageLabels } from '../data/drawn.js'
import type { TileGrid } from '../model/vision/tile-merge.js'

/** The images of a batch for a tiled model, in row order. */
export interface BatchTiles {
  readonly grids: readonly TileGrid[]
  /** Image tokens of each. */
  readonly tokens: readonly number[]
}

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
  /** [images, 3, S, S], normalised; for a tiled model [tiles, 3, S, S], the whole of each image before its tiles. */
  readonly pixels: Float32Array
  readonly images: number
  /** Present for a tiled model. */
  readonly tiles?: BatchTiles
  /** [rows, length], where rows hold questions that do not see each other: see `Example.branches`. */
  readonly branches?: Int32Array
  /** What is known of each image beside the answers about it. */
  readonly imageLabels?: readonly ImageLabels[]
  /** How many labels count. */
  readonly labelTokens: number
}

const MULTIPLE = 8

/** Puts examples into one rectangle. `pixels` holds their images in row order. */
export function collate(
  examples: readonly Example[],
  pixels: Float32Array,
  images: number,
  padId: number,
  { tiles, imageLabels }: Pick<Batch, 'tiles' | 'imageLabels'> = {},
): Batch {
  const rows = examples.length
  const longest = examples.reduce((most, e) => Math.max(most, e.ids.length), 1)
  const length = Math.ceil(longest / MULTIPLE) * MULTIPLE
  const ids = new Int32Array(rows * length).fill(padId)
  const labels = new Int32Array(rows * length).fill(IGNORED)
  const branches = examples.some((e) => e.branches) ? new Int32Array(rows * length) : undefined
  const imagePositions: number[] = []
  let labelTokens = 0
  examples.forEach((example, row) => {
    if (example.branches) branches?.set(example.branches, row * length)
    example.ids.forEach((id, column) => {
      const at = row * length + column
      const label = example.labels[column] ?? IGNORED
      if (example.imageMask[column]) imagePositions.push(at)
      else ids[at] = id
      labels[at] = label
      if (label !== IGNORED) labelTokens++
    })
  })
  const places = Int32Array.from(imagePositions)
  return {
    rows,
    length,
    ids,
    labels,
    imagePositions: places,
    pixels,
    images,
    ...(tiles ? { tiles } : {}),
    ...(branches ? { branches } : {}),
    ...(imageLabels ? { imageLabels } : {}),
    labelTokens,
  }
}

/**
 * Cuts a batch into at most `parts` batches of neighbouring rows, whose sizes differ by one row at most.
 */
export function splitBatch(batch: TrainingBatch, parts: number): TrainingBatch[] {
  const { rows, length, images, tiles, imagePositions, branches, imageLabels } = batch
  const stacks = tiles?.grids.map(({ tilesHigh, tilesWide }) => 1 + tilesHigh * tilesWide) ?? new Array<number>(images).fill(1)
  /** Where each image begins among the image tokens and the stacked pixels, and where the last one ends. */
  const tokenStarts = starts(tiles?.tokens ?? stacks.map(() => imagePositions.length / images))
  const stackStarts = starts(stacks)
  const stackSize = images > 0 ? batch.pixels.length / (stackStarts[images] as number) : 0
  const count = Math.min(parts, rows)
  /** How many images stand before a row. */
  const before = (row: number): number => {
    const at = tokenStarts.findIndex((token) => (imagePositions[token] ?? Number.POSITIVE_INFINITY) >= row * length)
    return at < 0 ? images : at
  }
  return Array.from({ length: count }, (_, part) => {
    const first = Math.floor((part * rows) / count)
    const end = Math.floor(((part + 1) * rows) / count)
    const [from, to] = [before(first), before(end)]
    const [token, nextToken] = [tokenStarts[from], tokenStarts[to]]
    const [stack, nextStack] = [stackStarts[from] as number, stackStarts[to] as number]
    return {
      rows: end - first,
      length,
      ids: batch.ids.subarray(first * length, end * length),
      labels: batch.labels.subarray(first * length, end * length),
      imagePositions: imagePositions.slice(token, nextToken).map((position) => position - first * length),
      pixels: batch.pixels.subarray(stack * stackSize, nextStack * stackSize),
      images: to - from,
      ...(tiles ? { tiles: { grids: tiles.grids.slice(from, to), tokens: tiles.tokens.slice(from, to) } } : {}),
      ...(branches ? { branches: branches.subarray(first * length, end * length) } : {}),
      ...(imageLabels ? { imageLabels: imageLabels.slice(from, to) } : {}),
    }
  })
}

/** Sums of the sizes before each, and of all. */
function starts(sizes: readonly number[]): number[] {
  let sum = 0
  return [0, ...sizes.map((size) => (sum += size))]
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

/** What a training step needs of a batch. */
export type TrainingBatch = Omit<Batch, 'labelTokens'>
