/**
 * Training images of tiled (4KHD) models: laid out and cut as for a question, with as many image tokens as their layout makes. Sizes are
 * read ahead, since lengths of examples depend on them. It knows nothing of records.
 */
import { limited } from '../common/limited.js'
import { imageSize } from '../image/decode.js'
import { readImageFile } from '../image/read-file.js'
import { type TiledPixels, tileLayout, tileStack } from '../image/tiles.js'
import { towerInput } from '../image/tower-input.js'
import type { TileGrid } from '../model/vision/tile-merge.js'

/** How a model takes images in tiles. */
export interface Tiling {
  /** Tiles that an image may be cut into. */
  readonly maxTiles: number
  /** Positions that an image of this layout takes. */
  tokens(grid: TileGrid): number
}

/** An image as the tower reads it. */
export interface TiledImage {
  readonly grid: TileGrid
  /** [1 + tiles, 3, tile, tile], normalised. */
  readonly pixels: Float32Array
}

/** Files read or decoded at the same time. */
const AT_ONCE = 4

/** Layouts of files, and their pixels up to a budget of bytes. */
export class TiledImages {
  private readonly grids = new Map<string, TileGrid>()
  private readonly cache = new Map<string, TiledImage>()
  private readonly turn = limited(AT_ONCE)
  private bytes = 0

  /** @param tile side of a tile in pixels */
  constructor(
    private readonly tile: number,
    private readonly tiling: Tiling,
    private readonly maxBytes: number,
  ) {}

  /** Reads the sizes of files. @throws InputError naming one that is no image */
  async measure(files: Iterable<string>): Promise<void> {
    const measured = [...new Set(files)].map((file) =>
      this.turn(async () => {
        const { width, height } = await imageSize(await readImageFile(file), { name: file })
        this.grids.set(file, tileLayout(width, height, this.tiling.maxTiles, this.tile))
      }),
    )
    await Promise.all(measured)
  }

  /** Positions that a measured file takes. */
  tokens(file: string): number {
    const grid = this.grids.get(file)
    if (!grid) throw new RangeError(`${file}: its size was not read`)
    return this.tiling.tokens(grid)
  }

  /** @throws InputError naming the file when it cannot be decoded */
  async get(file: string): Promise<TiledImage> {
    const kept = this.cache.get(file)
    if (kept) return kept
    const shape = { size: this.tile, maxTiles: this.tiling.maxTiles }
    const { tilesHigh, tilesWide, ...planes } = await this.turn(
      async () => (await towerInput(await readImageFile(file), shape, { name: file })) as TiledPixels,
    )
    const image = { grid: { tilesHigh, tilesWide }, pixels: tileStack({ tilesHigh, tilesWide, ...planes }, this.tile) }
    if (this.bytes + image.pixels.byteLength <= this.maxBytes) {
      this.bytes += image.pixels.byteLength
      this.cache.set(file, image)
    }
    return image
  }
}
