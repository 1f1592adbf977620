/** An image as a caller names it, resolved to its bytes and a name for error messages. What the bytes hold is decode.ts's business. */
import { fileURLToPath } from 'node:url'
import { ImageError } from './image-error.js'
import { readImageFile } from './read-file.js'

/**
 * A path, a `data:` or `file:` URL (as a URL or a string), the bytes of an image file, or one of these with what it is:
 * `{ file }`, `{ bytes, name }` with a name for errors.
 */
export type ImageSource =
  | string
  | URL
  | Uint8Array
  | { readonly file: string }
  | { readonly bytes: Uint8Array; readonly name: string }

/** An undecoded image file. */
export interface ImageBytes {
  /** What errors call it: the path where it has one. */
  readonly name: string
  readonly bytes: Uint8Array
}

/**
 * Reads an image from wherever it is.
 * @param name what errors call an image that has no name of its own
 * @throws ImageError for a file that cannot be read, an address of the web, or a value of another kind
 */
export async function readImageSource(source: ImageSource, name = 'image'): Promise<ImageBytes> {
  if (typeof source === 'string') return /^(data|file|https?|ftp|blob):/i.test(source) ? readUrl(source, name) : readFile(source)
  if (source instanceof URL) return readUrl(source.href, name)
  if (source instanceof Uint8Array) return { name, bytes: source }
  if (typeof source === 'object' && source !== null) {
    if ('file' in source && typeof source.file === 'string') return readFile(source.file)
    if ('bytes' in source && source.bytes instanceof Uint8Array) return { name: source.name ?? name, bytes: source.bytes }
  }
  throw new ImageError(`${name}: expected a path, a data: URL, bytes, { file } or { bytes, name }, got ${kindOf(source)}`)
}

async function readFile(file: string): Promise<ImageBytes> {
  return { name: file, bytes: await readImageFile(file) }
}

async function readUrl(href: string, name: string): Promise<ImageBytes> {
  const scheme = href.slice(0, href.indexOf(':')).toLowerCase()
  if (scheme === 'data') return { name, bytes: dataUrlBytes(href, name) }
  const shown = href.length > 100 ? `${href.slice(0, 100)}...` : href
  if (scheme !== 'file') throw new ImageError(`${name}: ${shown} is not fetched; download the image and pass the file`)
  let file: string
  try {
    file = fileURLToPath(href)
  } catch (cause) {
    throw new ImageError(`${name}: ${shown} names no file of this machine; pass its path`, { cause })
  }
  return readFile(file)
}

/** The bytes of `data:[type][;base64],...`. */
function dataUrlBytes(href: string, name: string): Uint8Array {
  const comma = href.indexOf(',')
  if (comma < 0) throw new ImageError(`${name}: a data: URL without a comma; expected data:image/png;base64,...`)
  const data = href.slice(comma + 1)
  const text = data.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  if (!/;\s*base64\s*$/i.test(href.slice(0, comma))) return Buffer.from(text, 'latin1')
  // Buffer.from skips what is not base64 and would end in a damaged image.
  if (!/^[\w+/\s-]*={0,2}\s*$/.test(text)) {
    throw new ImageError(`${name}: a data: URL that holds no base64; expected data:image/png;base64,...`)
  }
  return Buffer.from(text, 'base64')
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object'
    ? `an object with ${Object.keys(value).slice(0, 5).join(', ') || 'nothing in it'}`
    : typeof value
}
