/** One reading of every file: upright, on white, in sRGB; and the reference's own where it is asked for. */
import sharp, { type Sharp } from 'sharp'
import { describe, expect, it } from 'vitest'
import { png, pngChunk } from '../../tests/support/png.js'
import { decodeImage, decodeRaster, imageSize, type RgbImage } from './decode.js'
import { resize } from './resize.js'
import { tileLayout, tilePixels } from './tiles.js'
import { towerInput } from './tower-input.js'

const WIDTH = 7
const HEIGHT = 4

/** Where pixel (x, y) of the upright image is stored, by EXIF orientation (Exif 2.32, 4.6.4 A): `row 0, column 0` of the table. */
const STORED: Record<number, (x: number, y: number) => [number, number]> = {
  1: (x, y) => [x, y],
  2: (x, y) => [WIDTH - 1 - x, y],
  3: (x, y) => [WIDTH - 1 - x, HEIGHT - 1 - y],
  4: (x, y) => [x, HEIGHT - 1 - y],
  5: (x, y) => [y, x],
  6: (x, y) => [y, WIDTH - 1 - x],
  7: (x, y) => [HEIGHT - 1 - y, WIDTH - 1 - x],
  8: (x, y) => [HEIGHT - 1 - y, x],
}
const colour = (x: number, y: number) => [30 * x, 60 * y, (97 * x * y) % 256]

/** The upright image [HEIGHT, WIDTH, 3], and the bytes as they are stored under an orientation. */
function stored(orientation: number): { raw: Sharp; lying: RgbImage; upright: RgbImage } {
  const [width, height] = orientation > 4 ? [HEIGHT, WIDTH] : [WIDTH, HEIGHT]
  const lying = new Uint8Array(width * height * 3)
  const upright = new Uint8Array(lying.length)
  for (let y = 0; y < HEIGHT; y++)
    for (let x = 0; x < WIDTH; x++) {
      const [column, row] = STORED[orientation]?.(x, y) ?? [0, 0]
      lying.set(colour(x, y), (row * width + column) * 3)
      upright.set(colour(x, y), (y * WIDTH + x) * 3)
    }
  return {
    raw: sharp(lying, { raw: { width, height, channels: 3 } }).withMetadata({ orientation }),
    lying: { width, height, data: lying },
    upright: { width: WIDTH, height: HEIGHT, data: upright },
  }
}

describe('orientation', () => {
  const lossless: [string, (image: Sharp) => Sharp][] = [
    ['PNG', (image) => image.png()],
    ['WebP', (image) => image.webp({ lossless: true })],
    ['TIFF', (image) => image.tiff({ compression: 'lzw' })],
  ]
  it.each(lossless.flatMap(([name, as]) => [1, 2, 3, 4, 5, 6, 7, 8].map((o) => [name, o, as] as const)))(
    'a %s stored with EXIF orientation %i has the pixels and the size of the upright image',
    async (_, orientation, as) => {
      const { raw, lying, upright } = stored(orientation)
      const bytes = await as(raw).toBuffer()
      expect(await decodeImage(bytes)).toEqual(upright)
      expect(await imageSize(bytes)).toEqual({ width: WIDTH, height: HEIGHT })
      expect(await decodeImage(bytes, { reading: 'reference' })).toEqual(lying)
      expect(await imageSize(bytes, { reading: 'reference' })).toEqual({ width: lying.width, height: lying.height })
    },
  )

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'a JPEG of orientation %i is upright before it is shrunk, squashed or tiled',
    async (orientation) => {
      // Four quarters of different colours tell all orientations apart.
      const { raw } = stored(orientation)
      const side = 160
      const { data } = await raw
        .clone()
        .resize({ width: 2, height: 2, fit: 'fill', kernel: 'nearest' })
        .raw()
        .toBuffer({ resolveWithObject: true })
      const large = sharp(data, { raw: { width: 2, height: 2, channels: 3 } }).resize({
        width: side,
        height: 2 * side,
        fit: 'fill',
        kernel: 'nearest',
      })
      const bytes = await large.withMetadata({ orientation }).jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toBuffer()
      const turned = await sharp(bytes).autoOrient().png().toBuffer()
      const whole = await decodeImage(turned)
      expect(await imageSize(bytes)).toEqual({ width: whole.width, height: whole.height })
      const shrunk = await decodeImage(bytes, { wanted: [10, 10] })
      expect(shrunk.width).toBe(whole.width / 4)
      for (const maxTiles of [0, 3]) {
        const [a, b] = [await towerInput(bytes, { size: 28, maxTiles }), await towerInput(turned, { size: 28, maxTiles })]
        const [x, y] = [a, b].map((input) => (input instanceof Float32Array ? input : input.canvas))
        expect(x?.length).toBe(y?.length)
        expect(meanDifference(x ?? [], y ?? [])).toBeLessThan(0.02)
      }
    },
  )
})

describe('transparency', () => {
  const rgba = [
    [10, 20, 30, 0],
    [10, 20, 31, 128],
    [10, 20, 32, 255],
  ]
  /** By hand: 255 + (colour - 255) * alpha / 255. */
  const white = [255, 255, 255, 132, 137, 143, 10, 20, 32]
  const samples = (of: number[][]) => Uint8Array.from([0, ...of.flat()])

  it('is composited on white; the reference sees what it hides', async () => {
    const bytes = png(3, 1, 8, 6, samples(rgba))
    expect([...(await decodeImage(bytes)).data]).toEqual(white)
    expect([...(await decodeImage(bytes, { reading: 'reference' })).data]).toEqual([10, 20, 30, 10, 20, 31, 10, 20, 32])
    expect(await decodeRaster(bytes)).toMatchObject({ channels: 4, data: Uint8Array.from(rgba.flat()) })
  })

  it('of a palette (tRNS) and of a single transparent colour too', async () => {
    const colours = pngChunk('PLTE', Buffer.from(rgba.flatMap(([r = 0, g = 0, b = 0]) => [r, g, b])))
    const alphas = pngChunk('tRNS', Buffer.from([0, 128]))
    const palette = png(3, 1, 8, 3, Uint8Array.of(0, 0, 1, 2), Buffer.concat([colours, alphas]))
    expect([...(await decodeImage(palette)).data]).toEqual(white)
    const hole = pngChunk('tRNS', Buffer.from([0, 9, 0, 9, 0, 9]))
    const keyed = png(2, 1, 8, 2, Uint8Array.of(0, 9, 9, 9, 9, 9, 8), hole)
    expect([...(await decodeImage(keyed)).data]).toEqual([255, 255, 255, 9, 9, 8])
  })

  it('of 16-bit grey with alpha by the high bytes', async () => {
    const bytes = png(3, 1, 16, 4, Uint8Array.of(0, 100, 255, 0, 255, 100, 0, 128, 0, 100, 7, 255, 255))
    expect([...(await decodeImage(bytes)).data]).toEqual([255, 255, 255, 177, 177, 177, 100, 100, 100])
  })

  it.each(['gif', 'webp'] as const)('of the first frame of an animated %s', async (format) => {
    const frame = (alpha: number, value: number) => Buffer.from(Array.from({ length: 16 }, () => [value, 0, 0, alpha]).flat())
    const bytes = await sharp(Buffer.concat([frame(0, 200), frame(255, 90)]), {
      raw: { width: 4, height: 8, channels: 4, pageHeight: 4 },
    })
      .toFormat(format, { lossless: true })
      .toBuffer()
    expect((await sharp(bytes).metadata()).pages).toBe(2)
    const { width, height, data } = await decodeImage(bytes)
    expect([width, height]).toEqual([4, 4])
    expect(new Set(data)).toEqual(new Set([255]))
  })

  it('that hides nothing costs nothing: an opaque alpha channel is left out', async () => {
    const bytes = png(1, 1, 8, 6, Uint8Array.of(0, 1, 2, 3, 255))
    expect(await decodeRaster(bytes)).toEqual({ width: 1, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3) })
  })
})

describe('colour profiles', () => {
  const grass = sharp({ create: { width: 2, height: 2, channels: 3, background: { r: 60, g: 180, b: 60 } } })

  it('of other spaces are converted to sRGB, not by the reference', async () => {
    const wide = await grass.clone().withIccProfile('p3').png().toBuffer()
    const shown = await decodeImage(wide)
    const whole = [...shown.data.subarray(0, 3)]
    for (const [c, value] of [60, 180, 60].entries()) expect(Math.abs((whole[c] ?? 0) - value)).toBeLessThanOrEqual(1)
    const [red = 0] = (await decodeImage(wide, { reading: 'reference' })).data
    expect(red).toBeGreaterThan(70)
  })

  it('of sRGB leave every value as it is', async () => {
    const all = Uint8Array.from({ length: 256 * 3 }, (_, i) => (i * 7) % 256)
    const bytes = await sharp(all, { raw: { width: 256, height: 1, channels: 3 } })
      .withIccProfile('srgb')
      .png()
      .toBuffer()
    expect((await sharp(bytes).metadata()).icc).toBeDefined()
    expect((await decodeImage(bytes)).data).toEqual(all)
  })
})

describe('large photos', () => {
  /** Smooth shapes with edges and some noise, as photos have. */
  async function photo(width: number, height: number): Promise<Buffer> {
    const noise = await sharp({
      create: { width: 400, height: 300, channels: 3, background: '#888', noise: { type: 'gaussian', mean: 128, sigma: 60 } },
    })
      .png()
      .toBuffer()
    return sharp(noise).resize({ width, height, fit: 'fill', kernel: 'cubic' }).jpeg({ quality: 92 }).toBuffer()
  }

  it('are shrunk while they are decoded, and then look as the whole does', async () => {
    const bytes = await photo(2401, 1799)
    const [whole, shrunk] = [await decodeImage(bytes), await decodeImage(bytes, { wanted: [112, 112] })]
    expect([whole.width, whole.height]).toEqual([2401, 1799])
    expect([shrunk.width, shrunk.height]).toEqual([601, 450])
    const [a, b] = [whole, shrunk].map((image) => resize(image, 112, 112).data)
    const differences = (a as Uint8Array).map((v, i) => Math.abs(v - (b?.[i] as number)))
    expect(differences.reduce((sum, d) => sum + d, 0) / differences.length).toBeLessThan(0.5)
    expect(Math.max(...differences)).toBeLessThanOrEqual(3)
    // Up to four times the wanted size, and in the reference's reading, nothing is shrunk.
    for (const options of [{ wanted: [301, 225] }, { wanted: [112, 112], reading: 'reference' }] as const) {
      expect(Buffer.compare((await decodeImage(bytes, options)).data, whole.data)).toBe(0)
    }
  })

  it('beyond the limit of pixels are taken where a JPEG can be shrunk below it, with the size of the whole', async () => {
    const bytes = await photo(800, 600)
    const limits = { maxPixels: 150_000, name: 'photo.jpg' }
    expect(await decodeImage(bytes, { ...limits, wanted: [300, 200] })).toMatchObject({ width: 400, height: 300 })
    await expect(decodeImage(bytes, { ...limits, wanted: [500, 500] })).rejects.toThrow(/photo\.jpg: 800x600 pixels, at most/)
    await expect(decodeImage(bytes, limits)).rejects.toThrow(/800x600/)
    const flat = await sharp(bytes).png().toBuffer()
    await expect(decodeImage(flat, { ...limits, wanted: [10, 10] })).rejects.toThrow(/800x600/)
  })

  it('are laid out in tiles by their own size', async () => {
    const bytes = await photo(1999, 401)
    const { canvas, tilesWide, tilesHigh } = (await towerInput(bytes, { size: 28, maxTiles: 9 })) as ReturnType<typeof tilePixels>
    const whole = tilePixels(await decodeImage(bytes), tileLayout(1999, 401, 9, 28))
    expect([tilesWide, tilesHigh]).toEqual([whole.tilesWide, whole.tilesHigh])
    expect(meanDifference(canvas, whole.canvas)).toBeLessThan(0.02)
  })
})

function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += Math.abs((a[i] ?? 0) - (b[i] ?? 0))
  return sum / a.length
}
