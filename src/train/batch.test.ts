/** Cutting a batch for parts that run side by side. */
import { expect, it } from 'vitest'
import { type BatchTiles, collate, splitBatch } from './batch.js'

/** An example of text and images of the given numbers of tokens. */
const example = (...tokens: number[]) => {
  const imageMask = [0, ...tokens.flatMap((n) => [...new Array<number>(n).fill(1), 0])]
  return { ids: imageMask.map((_, i) => i + 1), imageMask, labels: imageMask.map(() => -100) }
}

it('gives each part its own images, tiles and places, whatever the number of tiles', () => {
  // Tokens and stacked tiles of the images: rows without, with one and with two of them.
  const rows = [[3], [], [5, 2], [4], []]
  const tokens = rows.flat()
  const grids = tokens.map((n) => ({ tilesHigh: 1, tilesWide: n }))
  const tiles: BatchTiles = { grids, tokens }
  // Each tile is one value here: the number of its image.
  const pixels = Float32Array.from(grids.flatMap(({ tilesWide }, image) => new Array<number>(1 + tilesWide).fill(image)))
  const batch = collate(
    rows.map((row) => example(...row)),
    pixels,
    tokens.length,
    0,
    { tiles },
  )
  for (const parts of [1, 2, 3, 5, 8]) {
    const cut = splitBatch(batch, parts)
    expect(cut.reduce((n, part) => n + part.rows, 0)).toBe(rows.length)
    let [row, image] = [0, 0]
    for (const part of cut) {
      const own = rows.slice(row, row + part.rows).flat()
      expect(part.images).toBe(own.length)
      expect(part.tiles?.tokens).toEqual(own)
      expect([...part.pixels]).toEqual(own.flatMap((n, i) => new Array<number>(1 + n).fill(image + i)))
      const places = [...batch.imagePositions].filter((at) => at >= row * batch.length && at < (row + part.rows) * batch.length)
      expect([...part.imagePositions]).toEqual(places.map((at) => at - row * batch.length))
      row += part.rows
      image += own.length
    }
  }
})
