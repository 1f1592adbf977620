/**
 * Image files to 8-bit RGB. One reading for everything that a model sees (chat, training, evaluation, articles): turned upright
 * as EXIF says, transparency composited on white, colours of an embedded profile converted to sRGB. Palettes are expanded,
 * greyscale is replicated, 16 bits are cut to 8, CMYK is converted as Pillow does. The other reading is the reference's own
 * (SPEC 6: EXIF, alpha and profiles ignored), for comparing with it. It knows no models.
 */
import sharp, { type Metadata, type Sharp } from 'sharp'
import { isSrgbProfile } from './icc.js'
import { ImageError } from './image-error.js'
import { greyToRgb, inksToRgb, isOpaque, onWhite, type RasterImage, type RgbImage, withoutAlpha } from './pixels.js'
import { MAX_IMAGE_BYTES, readImageFile, tooLong } from './read-file.js'
import { type ImageFormat, sniffImage } from './sniff.js'

export type { RasterImage, RgbImage } from './pixels.js'

/**
 * 'upright': what a viewer shows, on white. 'reference': what PIL's `convert('RGB')` makes of it, which is how the reference
 * reads: lying photos lie, and what a transparent pixel hides is seen.
 */
export type Reading = 'upright' | 'reference'

export interface DecodeOptions {
  /** Default 'upright'; 'reference' only where the reference's numbers are wanted. */
  readonly reading?: Reading
  /** What to call the image in errors; a path names itself. */
  readonly name?: string
  /**
   * [width, height] that the upright image is going to be resized to. A JPEG more than four times as large (or beyond the limit
   * of pixels) is then shrunk by 2, 4 or 8 while it is decoded: with a tenth of the memory, and at the wanted size within three
   * levels of the whole. Not in the reference's reading.
   */
  readonly wanted?: readonly [number, number]
  readonly maxPixels?: number
  readonly maxSide?: number
  readonly maxBytes?: number
}

const LIMITS = { maxPixels: 100_000_000, maxSide: 65_500, maxBytes: MAX_IMAGE_BYTES }
/** Of a JPEG that is shrunk while it is decoded: 17,320 x 17,320. Phones have sensors of 200 megapixels. */
const MAX_SHRUNK_PIXELS = 300_000_000
/** How many times the wanted size an image must still have after shrinking, so that the resize decides how it looks. */
const ROOM = 4

/**
 * Decodes an image from a file path or its bytes; of an animation, the first frame.
 * @throws ImageError naming the file when it is missing, too large, of a format that is not read, or damaged
 */
export async function decodeImage(input: string | Uint8Array, options: DecodeOptions = {}): Promise<RgbImage> {
  const image = await decode(input, options)
  return options.reading === 'reference' ? withoutAlpha(image) : onWhite(image)
}

/** The same with the alpha channel kept, where any pixel is not opaque. @throws ImageError as decodeImage */
export async function decodeRaster(input: string | Uint8Array, options: DecodeOptions = {}): Promise<RasterImage> {
  const image = await decode(input, options)
  return isOpaque(image) ? { ...withoutAlpha(image), channels: 3 } : image
}

/** Width and height in pixels as it is read, from the file's header alone. @throws ImageError as decodeImage, but for damage behind the header */
export async function imageSize(bytes: Uint8Array, options: DecodeOptions = {}): Promise<{ width: number; height: number }> {
  const { width, height } = await readHeader(bytes, options.name ?? 'image', { ...LIMITS, ...options })
  return { width, height }
}

const SETTINGS = { failOn: 'error', pages: 1, sequentialRead: true } as const

async function decode(input: string | Uint8Array, options: DecodeOptions): Promise<RasterImage> {
  const limits = { ...LIMITS, ...options }
  const name = options.name ?? (typeof input === 'string' ? input : 'image')
  const bytes = typeof input === 'string' ? await readImageFile(input, limits.maxBytes) : input
  const header = await readHeader(bytes, name, limits)
  const shrink = shrinkFactor(header, limits)
  if (header.width * header.height > shrink * shrink * limits.maxPixels) throw tooLarge(name, header, limits)
  const inks = header.space === 'cmyk'
  const ignoreIcc = limits.reading === 'reference' || inks || header.icc === undefined || isSrgbProfile(header.icc)
  let image: Sharp = sharp(bytes, { ...SETTINGS, ignoreIcc, limitInputPixels: Math.max(limits.maxPixels, MAX_SHRUNK_PIXELS) })
  if (limits.reading !== 'reference') image = image.autoOrient()
  if (shrink > 1) {
    const [width, height] = [Math.ceil(header.width / shrink), Math.ceil(header.height / shrink)]
    // The faster way leaves the whole factor to libjpeg, which rounds sizes up to whole blocks: the image would be shifted.
    image = image.resize({ width, height, fit: 'fill', fastShrinkOnLoad: false })
  }
  image = inks ? image.pipelineColourspace('cmyk').toColourspace('cmyk') : image.toColourspace('srgb')
  const { data, info } = await undamaged(name, image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true }))
  const plain = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const { width, height, channels } = info
  if (inks && channels === 4) return { width, height, channels: 3, data: inksToRgb(plain) }
  if (channels === 3 || channels === 4) return { width, height, channels, data: plain }
  if (channels === 1) return { width, height, channels: 3, data: greyToRgb(plain, 1) }
  if (channels === 2) return { width, height, channels: 4, data: greyToRgb(plain, 2) }
  throw new ImageError(`${name}: ${channels} channels, expected 1 to 4; save it as an ordinary PNG or JPEG`)
}

interface Header {
  readonly format: ImageFormat
  /** As it is read: of an upright image where it is turned. */
  readonly width: number
  readonly height: number
  readonly space: string | undefined
  readonly icc: Uint8Array | undefined
}

type Limits = typeof LIMITS & DecodeOptions

/** What the header says, within the limits. It is read without sharp's own limit, whose message names no sizes. */
async function readHeader(bytes: Uint8Array, name: string, limits: Limits): Promise<Header> {
  if (bytes.length > limits.maxBytes) throw tooLong(name, `${bytes.length} bytes`, limits.maxBytes)
  const format = sniffImage(bytes, name)
  const { autoOrient, width, height, space, icc }: Metadata = await undamaged(
    name,
    sharp(bytes, { ...SETTINGS, ignoreIcc: true, limitInputPixels: false }).metadata(),
  )
  const size = limits.reading === 'reference' ? { width, height } : autoOrient
  const maxPixels = format === 'jpeg' ? Math.max(limits.maxPixels, MAX_SHRUNK_PIXELS) : limits.maxPixels
  if (width > limits.maxSide || height > limits.maxSide || width * height > maxPixels) throw tooLarge(name, size, limits)
  return { format, width: size.width, height: size.height, space, icc }
}

/** 1, 2, 4 or 8: half of it is left out by libjpeg while decoding, the last 2 are averaged. */
function shrinkFactor({ format, width, height }: Header, { wanted, reading, maxPixels }: Limits): number {
  if (format !== 'jpeg' || wanted === undefined || reading === 'reference') return 1
  const fits = (factor: number, room: number) => width >= factor * room * wanted[0] && height >= factor * room * wanted[1]
  let factor = 1
  while (factor < 8 && fits(2 * factor, ROOM)) factor *= 2
  while (factor < 8 && width * height > factor * factor * maxPixels && fits(2 * factor, 1)) factor *= 2
  return factor
}

function tooLarge(
  name: string,
  { width, height }: { width: number; height: number },
  { maxSide, maxPixels }: Limits,
): ImageError {
  const limits = `at most ${maxSide} a side and ${maxPixels} in all are taken`
  return new ImageError(`${name}: ${width}x${height} pixels, ${limits}; make the picture smaller`)
}

async function undamaged<T>(name: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new ImageError(`${name}: cannot be decoded (${reason}); the file is damaged or too large`, { cause: error })
  }
}
