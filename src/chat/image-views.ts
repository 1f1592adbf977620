/** Where the image tokens of a prompt stand, and which place of the image each one shows. */
import type { ModelConfig } from '../model/config.js'
import type { PromptPart } from '../text/prompt.js'

/** A grid of image tokens: what they show, row by row. */
export interface ImageView {
  /** Counts the images of the messages from 0. */
  readonly image: number
  /** Tiled models see an image twice: as a whole, and its tiles as one large grid. Others see the whole. */
  readonly kind: 'whole' | 'tiles'
  readonly rows: number
  readonly columns: number
  /** False where tokens show no place of their own (a q-former): the grid is then one row. */
  readonly placed: boolean
}

/** A view, and the position in the prompt of each of its cells. */
export interface PlacedView {
  readonly view: ImageView
  readonly positions: Int32Array
}

/** The views of a prompt's images, in order; a tiled image has two. */
export function imageViews(c: ModelConfig, parts: readonly PromptPart[]): PlacedView[] {
  const views: PlacedView[] = []
  let at = 0
  for (const part of parts) {
    if (part.kind === 'image') views.push(...viewsOf(c, part.image, part.tokens, at))
    at += part.kind === 'image' ? part.tokens : part.ids.length
  }
  return views
}

function viewsOf(c: ModelConfig, image: number, tokens: number, start: number): PlacedView[] {
  const { vision } = c
  if (vision?.tiled) return tiledViews(image, tokens, start, vision.imageSize / vision.patchSize / 2)
  const side = Math.sqrt(tokens)
  const placed = c.projector.type !== 'q-former' && Number.isInteger(side)
  const view: ImageView = { image, kind: 'whole', rows: placed ? side : 1, columns: placed ? side : tokens, placed }
  return [{ view, positions: grid(start, view.rows, view.columns, 0) }]
}

/** Whole and tiles, a newline behind every line and a separator between (see tile-merge.ts); the marks belong to neither. */
function tiledViews(image: number, tokens: number, start: number, side: number): PlacedView[] {
  const whole: ImageView = { image, kind: 'whole', rows: side, columns: side, placed: true }
  const first = side * (side + 1) + 1
  // What is left is high * side lines of wide * side tokens and a newline. The newlines tell how many lines there are.
  const left = (tokens - first) / side
  let high = 1
  while (high < left && (left % high !== 0 || (left / high - 1) % side !== 0)) high++
  const tiles: ImageView = { image, kind: 'tiles', rows: high * side, columns: left / high - 1, placed: true }
  return [
    { view: whole, positions: grid(start, side, side, 1) },
    { view: tiles, positions: grid(start + first, tiles.rows, tiles.columns, 1) },
  ]
}

/** Positions of a grid whose lines are followed by `marks` other tokens. */
function grid(start: number, rows: number, columns: number, marks: number): Int32Array {
  return Int32Array.from(
    { length: rows * columns },
    (_, i) => start + Math.floor(i / columns) * (columns + marks) + (i % columns),
  )
}
