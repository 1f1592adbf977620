/** Which image format bytes are, by how they begin, and what they are instead. Decodes nothing, and loads no decoder. */

export type ImageFormat = 'png' | 'jpeg' | 'webp' | 'gif' | 'avif' | 'heic' | 'tiff'

/** Undefined for anything that is not decoded here. */
export function imageFormat(bytes: Uint8Array): ImageFormat | undefined {
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
export function describeOther(bytes: Uint8Array): string {
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
