/**
 * From the features of tiles to one row sequence (SPEC 5, 4KHD merge): 2 x 2 neighbouring patches side by side in one row, the
 * whole image first, a newline behind every row of the grid, a separator, then the tiles as one large grid.
 */

/** The learned rows that end a line and separate the whole from the tiles, 4 C wide each. */
export interface TileMarks {
  readonly newline: Float32Array
  readonly separator: Float32Array
}

/**
 * features [1 + tilesHigh * tilesWide, patches * patches, C], the whole first, tiles row by row -> [rows, 4 C].
 * @param patches a side of one tile's grid, even
 */
export function mergeTiles(
  features: Float32Array,
  tilesHigh: number,
  tilesWide: number,
  patches: number,
  width: number,
  marks: TileMarks,
): Float32Array {
  const side = patches / 2
  const wide = 4 * width
  const rows = (tilesHigh * tilesWide + 1) * side * side + 1 + (tilesHigh + 1) * side
  const out = new Float32Array(rows * wide)
  let to = 0
  const append = (row: Float32Array): void => {
    out.set(row, to)
    to += row.length
  }
  /** One merged row of a tile: patches (0,0), (0,1), (1,0), (1,1) of its square. */
  const square = (tile: number, y: number, x: number): void => {
    for (const [dy, dx] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const at = ((tile * patches + 2 * y + dy) * patches + 2 * x + dx) * width
      append(features.subarray(at, at + width))
    }
  }
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) square(0, y, x)
    append(marks.newline)
  }
  append(marks.separator)
  for (let y = 0; y < tilesHigh * side; y++) {
    for (let x = 0; x < tilesWide * side; x++) {
      const tile = 1 + Math.floor(y / side) * tilesWide + Math.floor(x / side)
      square(tile, y % side, x % side)
    }
    append(marks.newline)
  }
  return out
}
