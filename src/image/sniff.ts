/**
 * Recognises an image by its first bytes and refuses, before any decoder runs, what we do not decode (SVG, TIFF, PDF, HTML
 * and the rest) and what is built to be slow. The name and the declared type of a file say nothing.
 */
import { InputError } from '../common/errors.js'

export type ImageFormat = 'png' | 'jpeg' | 'webp' | 'gif'

/** Ordinary progressive JPEGs have about ten scans; each costs a pass over the whole image. */
const MAX_JPEG_SCANS = 100

/**
 * The format of an image file's bytes.
 * @throws InputError naming `name` when the bytes are empty, of another kind, or a JPEG of absurdly many scans
 */
export function sniffImage(bytes: Uint8Array, name: string): ImageFormat {
  if (bytes.length === 0) throw new InputError(`${name}: empty file, expected an image`)
  const format = formatOf(bytes)
  if (!format) throw new InputError(`${name}: ${describe(bytes)}, expected a PNG, JPEG, WebP or GIF image`)
  if (format === 'jpeg') checkScans(bytes, name)
  return format
}

function formatOf(bytes: Uint8Array): ImageFormat | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 16)).toString('latin1')
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png'
  if (head.startsWith('\xff\xd8\xff')) return 'jpeg'
  if (head.startsWith('RIFF') && head.startsWith('WEBP', 8)) return 'webp'
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'gif'
  return undefined
}

function describe(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 512)).toString('latin1')
  const text = head
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .toLowerCase()
  if (text.startsWith('<svg') || (text.startsWith('<?xml') && text.includes('<svg')))
    return 'an SVG drawing, which is not decoded'
  if (text.startsWith('<')) return 'a web page or XML'
  if (head.startsWith('II*\0') || head.startsWith('MM\0*') || head.startsWith('II+\0') || head.startsWith('MM\0+'))
    return 'a TIFF file, which is not decoded'
  if (head.startsWith('\x08\xf2\xa6\xb6') || head.startsWith('\xb6\xa6\xf2\x08')) return 'a VIPS file, which is not decoded'
  if (head.startsWith('%PDF')) return 'a PDF'
  if (head.startsWith('BM')) return 'a BMP file, which is not decoded'
  if (head.startsWith('ftyp', 4)) return 'an AVIF, HEIF or video file, which is not decoded'
  return 'not an image that is known here'
}

function checkScans(bytes: Uint8Array, name: string): void {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let scans = 0
  // Inside compressed data 0xff is always followed by 0x00 or a restart marker, so this pattern starts a scan.
  for (let at = data.indexOf('ffda', 0, 'hex'); at >= 0; at = data.indexOf('ffda', at + 2, 'hex')) {
    if (++scans > MAX_JPEG_SCANS)
      throw new InputError(`${name}: a JPEG of more than ${MAX_JPEG_SCANS} scans; save it again as an ordinary JPEG`)
  }
}
