/**
 * Recognises an image by its first bytes and refuses, before any decoder runs, what is not decoded (SVG, PDF, VIPS, HTML and
 * the rest) and what is built to be slow. The name and the declared type of a file say nothing.
 */
import sharp from 'sharp'
import { ImageError } from './image-error.js'
import { describeOther, type ImageFormat, imageFormat } from './signature.js'

export type { ImageFormat } from './signature.js'

/** Ordinary progressive JPEGs have about ten scans; each costs a pass over the whole image. */
const MAX_JPEG_SCANS = 100

/** Formats that the installed image library may lack. Its prebuilt form reads AVIF, but not HEIC, for its patents. */
const OPTIONAL: Partial<Record<ImageFormat, { readonly called: string; readonly read: boolean }>> = {
  avif: { called: 'an AVIF image', read: sharp.format.heif.input.buffer },
  heic: { called: 'a HEIC photo', read: sharp.format.heif.input.fileSuffix?.includes('.heic') ?? false },
  tiff: { called: 'a TIFF image', read: sharp.format.tiff.input.buffer },
}

/**
 * The format of an image file's bytes.
 * @throws ImageError naming `name` when the bytes are empty, of a kind that is not read here, or a JPEG of absurdly many scans
 */
export function sniffImage(bytes: Uint8Array, name: string): ImageFormat {
  if (bytes.length === 0) throw new ImageError(`${name}: empty file, expected an image`)
  const format = imageFormat(bytes)
  if (!format) throw new ImageError(`${name}: ${describeOther(bytes)}`)
  const optional = OPTIONAL[format]
  if (optional?.read === false) {
    throw new ImageError(`${name}: ${optional.called}, which is not read here; convert it to JPEG or PNG`)
  }
  if (format === 'jpeg') checkScans(bytes, name)
  return format
}

function checkScans(bytes: Uint8Array, name: string): void {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let scans = 0
  // Inside compressed data 0xff is always followed by 0x00 or a restart marker, so this pattern starts a scan.
  for (let at = data.indexOf('ffda', 0, 'hex'); at >= 0; at = data.indexOf('ffda', at + 2, 'hex')) {
    if (++scans > MAX_JPEG_SCANS)
      throw new ImageError(`${name}: a JPEG of more than ${MAX_JPEG_SCANS} scans; save it again as an ordinary JPEG`)
  }
}
