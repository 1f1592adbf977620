/**
 * From the features of tiles to the rows that the projector of a tiled (4KHD) model reads (SPEC 5): 2 x 2 neighbouring patches side by
 * side in one row, the whole image first, a newline behind every row of the grid, a separator, then the tiles as one large grid. Which
 * row stands where depends on an image's layout: it is an index that is given at each run.
 */
import { add, concat, type Dim, type Graph, gatherRows, padFront, reshape, type Tensor } from '../../engine/index.js'
import { tileMarks } from '../parameter-spec.js'
import { mergeSquares } from '../projector/merge-2x2.js'
import type { Weights } from '../weights.js'

/** Tiles of an image, without the view of the whole. */
export interface TileGrid {
  readonly tilesHigh: number
  readonly tilesWide: number
}

/** Each tile's rows begin with the two marks; its squares come behind them. */
const [NEWLINE, SEPARATOR, SQUARES] = [0, 1, 2]

/**
 * features [tiles, patches^2, C] -> [rows, 4 C].
 * @param patches a side of one tile's grid, even
 * @param index i64 [rows, 2] as tileIndex makes it
 */
export function mergeTiles(g: Graph, w: Weights, features: Tensor, patches: number, index: Tensor): Tensor {
  const squares = mergeSquares(g, features, patches)
  const [tiles, count, wide] = squares.shape as [Dim, number, number]
  const mark = (name: string): Tensor => reshape(g, w.tensor(g, name), [1, wide])
  const blank = g.constant('f32', [count, wide], new Float32Array(count * wide))
  const marks = concat(g, [mark(tileMarks.newline), mark(tileMarks.separator), blank], 0)
  const padded = add(g, padFront(g, padFront(g, squares)), marks)
  return gatherRows(g, reshape(g, padded, [tiles, SQUARES + count, wide]), index)
}

/**
 * Where the rows of images come from: pairs of a tile and a row in it, one image after the other.
 * @param images layouts; the tiles of each are its whole, then its tiles row by row
 * @param patches a side of one tile's grid, even
 */
export function tileIndex(images: readonly TileGrid[], patches: number): number[] {
  const side = patches / 2
  const pairs: number[] = []
  let whole = 0
  const line = (y: number, tilesWide: number, first: number): void => {
    for (let x = 0; x < tilesWide * side; x++) pairs.push(first + Math.floor(x / side), SQUARES + (y % side) * side + (x % side))
    pairs.push(whole, NEWLINE)
  }
  for (const { tilesHigh, tilesWide } of images) {
    for (let y = 0; y < side; y++) line(y, 1, whole)
    pairs.push(whole, SEPARATOR)
    for (let y = 0; y < tilesHigh * side; y++) line(y, tilesWide, whole + 1 + Math.floor(y / side) * tilesWide)
    whole += 1 + tilesHigh * tilesWide
  }
  return pairs
}

/** Rows of a tiled image: the whole and all tiles, a newline behind every line of the grid, one separator. */
export function tiledTokens({ tilesHigh, tilesWide }: TileGrid, patches: number): number {
  const side = patches / 2
  return (tilesHigh * tilesWide + 1) * side * side + 1 + (tilesHigh + 1) * side
}
