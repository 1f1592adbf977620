/**
 * Recognises an image by its first bytes and refuses, before any decoder runs, what is not decoded (SVG, PDF, VIPS, HTML and
 * the rest) and what is built to be slow. The name and the declared type of a file say nothing.
 */
import sharp from 'sharp'
import { ImageError } from './image-error.js'

export type ImageFormat = 'png' | 'jpeg' | 'webp' | 'gif' | 'avif' | 'heic' | 'tiff'

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
  const format = formatOf(bytes)
  if (!format) throw new ImageError(`${name}: ${describe(bytes)}`)
  const optional = OPTIONAL[format]
  if (optional?.read === false) {
    throw new ImageError(`${name}: ${optional.called}, which is not read here; convert it to JPEG or PNG`)
  }
  if (format === 'jpeg') checkScans(bytes, name)
  return format
}

function formatOf(bytes: Uint8Array): ImageFormat | undefined {
  const head = latin1(bytes, 16)
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png'
  if (head.startsWith('\xff\xd8\xff')) return 'jpeg'
  if (head.startsWith('RIFF') && head.startsWith('WEBP', 8)) return 'webp'
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'gif'
  if (/^(II[*+]\0|MM\0[*+])/.test(head) && !head.startsWith('CR', 8)) return 'tiff'
  const brands = boxBrands(bytes)
  if (brands.some((brand) => brand === 'avif' || brand === 'avis')) return 'avif'
  if (brands.some((brand) => /^(hei[cxms]|hev[cxms]|mif1|msf1)$/.test(brand))) return 'heic'
  return undefined
}

/** Major and compatible brands of an ISO media file (ISO/IEC 14496-12, `ftyp`); none for anything else. */
function boxBrands(bytes: Uint8Array): string[] {
  const head = latin1(bytes, 256)
  if (!head.startsWith('ftyp', 4)) return []
  const end = Math.min(head.length, Buffer.from(head.slice(0, 4), 'latin1').readUInt32BE(0))
  const brands = [head.slice(8, 12)]
  for (let at = 16; at + 4 <= end; at += 4) brands.push(head.slice(at, at + 4))
  return brands
}

/** What it is instead, and what to do. */
function describe(bytes: Uint8Array): string {
  const head = latin1(bytes, 1024)
  const text = head
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .toLowerCase()
  const convert = 'which is not read here; convert it to PNG or JPEG'
  if (text.startsWith('<svg') || (text.startsWith('<') && text.includes('<svg'))) return `an SVG drawing, ${convert}`
  if (text.startsWith('<')) return `a web page or XML, expected ${EXPECTED}; open it to see what was saved in place of the image`
  if (text.startsWith('version https://git-lfs'))
    return 'a Git LFS pointer in place of the image; run "git lfs pull" where it comes from'
  if (text.startsWith('data:')) return 'a data: URL as text, expected the image itself; decode it, or pass it as a URL'
  if (head.startsWith('\x08\xf2\xa6\xb6') || head.startsWith('\xb6\xa6\xf2\x08')) return `a VIPS file, ${convert}`
  if (head.startsWith('%PDF')) return `a PDF, ${convert}`
  if (head.startsWith('BM')) return `a BMP file, ${convert}`
  if (head.startsWith('\0\0\x01\0')) return `an icon file, ${convert}`
  if (head.startsWith('8BPS')) return `a Photoshop file, ${convert}`
  if (head.startsWith('CR', 8) && /^(II|MM)/.test(head)) return `a camera's raw file, ${convert}`
  if (head.startsWith('\0\0\0\x0cJXL ') || head.startsWith('\xff\x0a')) return `a JPEG XL image, ${convert}`
  if (head.startsWith('\0\0\0\x0cjP  ') || head.startsWith('\xff\x4f\xff\x51')) return `a JPEG 2000 image, ${convert}`
  if (head.startsWith('PK\x03\x04') || head.startsWith('\x1f\x8b')) return `a compressed archive, expected ${EXPECTED}; unpack it`
  if (head.startsWith('ftyp', 4)) return `a video or sound file, expected ${EXPECTED}`
  if (/^[\t\n\r\x20-\x7e]{8,}$/.test(head)) return `a text file, expected ${EXPECTED}`
  return `not an image that is known here, expected ${EXPECTED}`
}

const EXPECTED = 'a PNG, JPEG, WebP, GIF, AVIF or TIFF image'

function latin1(bytes: Uint8Array, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, length)).toString('latin1')
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
