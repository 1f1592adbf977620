/**
 * Image files to 8-bit pixels (SPEC 6): alpha dropped without compositing, palettes expanded, greyscale replicated, 16-bit
 * cut to 8, CMYK converted as Pillow does, EXIF orientation ignored unless asked for, colour profiles ignored. It knows no
 * sizes of models.
 */
import { open } from 'node:fs/promises'
import sharp from 'sharp'
import { InputError } from '../common/errors.js'
import { sniffImage } from './sniff.js'

/** RGB bytes, row by row: data[(y * width + x) * 3 + channel]. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** RGBA bytes, row by row, alpha not multiplied in. */
export type RgbaImage = RgbImage

export interface DecodeOptions {
  /** Turn the image as its EXIF orientation says. The reference does not (default false). */
  readonly orient?: boolean
  /** What to call the image in errors; a path names itself. */
  readonly name?: string
  readonly maxPixels?: number
  readonly maxSide?: number
  readonly maxBytes?: number
}

const DEFAULTS = { maxPixels: 100_000_000, maxSide: 65_500, maxBytes: 200 * 1024 * 1024 }

/**
 * Decodes an image from a file path or its bytes; of an animation, the first frame.
 * @throws InputError naming the file when it is missing, too large, of another format, or damaged
 */
export async function decodeImage(input: string | Uint8Array, options: DecodeOptions = {}): Promise<RgbImage> {
  const { pixels, channels } = await decode(input, options)
  return channels === 3 ? pixels : { ...pixels, data: dropAlpha(pixels.data) }
}

/** The same, keeping alpha (255 where the file has none). */
export async function decodeRgba(input: string | Uint8Array, options: DecodeOptions = {}): Promise<RgbaImage> {
  const { pixels, channels } = await decode(input, options)
  return channels === 4 ? pixels : { ...pixels, data: addAlpha(pixels.data) }
}

/** Width and height in pixels, from the file's header alone. @throws InputError as decodeImage, but for damage behind the header */
export async function imageSize(bytes: Uint8Array, options: DecodeOptions = {}): Promise<{ width: number; height: number }> {
  const { width, height } = await readHeader(bytes, options.name ?? 'image', { ...DEFAULTS, ...options })
  return { width, height }
}

const SETTINGS = { failOn: 'error', ignoreIcc: true, pages: 1, sequentialRead: true } as const

async function decode(input: string | Uint8Array, options: DecodeOptions): Promise<{ pixels: RgbImage; channels: 3 | 4 }> {
  const limits = { ...DEFAULTS, ...options }
  const name = options.name ?? (typeof input === 'string' ? input : 'image')
  const bytes = typeof input === 'string' ? await readLimited(input, limits.maxBytes) : input
  const { space } = await readHeader(bytes, name, limits)
  const image = sharp(bytes, { ...SETTINGS, limitInputPixels: limits.maxPixels })
  const turned = options.orient ? image.autoOrient() : image
  const inks = space === 'cmyk'
  const plane = inks ? turned.pipelineColourspace('cmyk').toColourspace('cmyk') : turned.toColourspace('srgb')
  const { data, info } = await undamaged(name, plane.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true }))
  const plain = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const pixels = { width: info.width, height: info.height }
  if (inks && info.channels === 4) return { pixels: { ...pixels, data: inksToRgb(plain) }, channels: 3 }
  if (info.channels === 3 || info.channels === 4) return { pixels: { ...pixels, data: plain }, channels: info.channels }
  if (info.channels === 1) return { pixels: { ...pixels, data: replicate(plain, 1) }, channels: 3 }
  if (info.channels === 2) return { pixels: { ...pixels, data: replicate(plain, 2) }, channels: 4 }
  throw new InputError(`${name}: ${info.channels} channels, expected 1 to 4`)
}

/** What the header says, within the limits. It is read without sharp's own limit, whose message names no sizes. */
async function readHeader(bytes: Uint8Array, name: string, { maxPixels, maxSide, maxBytes }: typeof DEFAULTS) {
  if (bytes.length > maxBytes) throw tooLong(name, bytes.length, maxBytes)
  sniffImage(bytes, name)
  const header = await undamaged(name, sharp(bytes, { ...SETTINGS, limitInputPixels: false }).metadata())
  const { width, height } = header
  if (width > maxSide || height > maxSide || width * height > maxPixels) {
    const limits = `at most ${maxSide} a side and ${maxPixels} in all are taken`
    throw new InputError(`${name}: ${width}x${height} pixels, ${limits}; make the picture smaller`)
  }
  return header
}

async function undamaged<T>(name: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new InputError(`${name}: cannot be decoded (${reason}); the file is damaged or too large`, { cause: error })
  }
}

/** An image file's bytes, undecoded. @throws InputError when it is missing, no regular file, or over the limit of decodeImage */
export function readImageFile(file: string): Promise<Uint8Array> {
  return readLimited(file, DEFAULTS.maxBytes)
}

async function readLimited(file: string, maxBytes: number): Promise<Uint8Array> {
  let handle: Awaited<ReturnType<typeof open>>
  try {
    handle = await open(file, 'r')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : error
    throw new InputError(`${file}: cannot be read (${code}); expected an image file`)
  }
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw new InputError(`${file}: not a regular file, expected an image`)
    if (stat.size > maxBytes) throw tooLong(file, stat.size, maxBytes)
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

function tooLong(name: string, size: number, limit: number): InputError {
  return new InputError(`${name}: ${size} bytes, images of at most ${limit} bytes are taken`)
}

function dropAlpha(rgba: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3)
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from] ?? 0
    rgb[to + 1] = rgba[from + 1] ?? 0
    rgb[to + 2] = rgba[from + 2] ?? 0
  }
  return rgb
}

function addAlpha(rgb: Uint8Array): Uint8Array {
  const rgba = new Uint8Array((rgb.length / 3) * 4)
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    rgba[to] = rgb[from] ?? 0
    rgba[to + 1] = rgb[from + 1] ?? 0
    rgba[to + 2] = rgb[from + 2] ?? 0
    rgba[to + 3] = 255
  }
  return rgba
}

/**
 * CMYK to RGB as Pillow does, which the reference opens images with: (1 - ink)(1 - black), rounded to bytes. The press profile
 * that sharp would assume makes another image of it: cyan becomes (0, 153, 227).
 */
function inksToRgb(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3)
  for (let from = 0, to = 0; from < cmyk.length; from += 4) {
    const light = 255 - (cmyk[from + 3] ?? 0)
    for (let c = 0; c < 3; c++) rgb[to++] = light - Math.round(((cmyk[from + c] ?? 0) * light) / 255)
  }
  return rgb
}

/** Grey (1 channel) or grey and alpha (2) to RGB or RGBA. */
function replicate(grey: Uint8Array, channels: 1 | 2): Uint8Array {
  const out = new Uint8Array((grey.length / channels) * (channels + 2))
  for (let from = 0, to = 0; from < grey.length; from += channels, to += channels + 2) {
    const value = grey[from] ?? 0
    out.fill(value, to, to + 3)
    if (channels === 2) out[to + 3] = grey[from + 1] ?? 255
  }
  return out
}
