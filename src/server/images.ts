/** Images of a request: data URLs, plain base64, or addresses of allowed hosts, as bytes. What the bytes hold is the engine's business. */
import { ImageError } from '../image/image-error.js'
import { readImageSource } from '../image/source.js'
import { ApiError, fieldError } from './errors.js'
import type { ImageFetcher } from './fetch-image.js'

/** How much of an image a model is to see: in one view, or in tiles where it has them. */
export type Detail = 'low' | 'high' | 'auto'

/** An image that a request names. */
export interface AskedImage {
  /** As it stands in the request. */
  readonly url: string
  /** Path of the field that holds it. */
  readonly param: string
  readonly detail: Detail
}

/** Shorter than any image file in base64. */
const SHORTEST_BASE64 = 32

/**
 * The bytes of an image.
 * @throws ApiError naming the field, for a URL of another kind, base64 that is none, or an image that cannot be fetched
 */
export async function imageBytes({ url, param }: AskedImage, fetchImage: ImageFetcher, signal: AbortSignal): Promise<Uint8Array> {
  if (/^data:/i.test(url)) return dataUrl(url, param)
  if (/^https?:/i.test(url)) return fetchImage(url, param, signal)
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url.slice(0, 40))?.[1]
  if (scheme !== undefined) throw new ApiError(400, `${param}: ${scheme}: URLs are not read here; ${EXPECTED}`, invalidUrl(param))
  // Everything else that is base64 throughout is an image without the head of a data URL.
  if (url.length < SHORTEST_BASE64 || !/^[\w+/\s-]+={0,2}\s*$/.test(url))
    throw new ApiError(400, `${param}: ${EXPECTED}`, invalidUrl(param))
  return Buffer.from(url, 'base64')
}

const EXPECTED = 'expected a data: URL with base64, plain base64, or an https address of a host that the server allows'
const invalidUrl = (param: string) => ({ param, code: 'invalid_image_url' })

async function dataUrl(url: string, param: string): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = (await readImageSource(url, param)).bytes
  } catch (error) {
    if (error instanceof ImageError) throw new ApiError(400, error.message, { param, code: 'invalid_base64_image', cause: error })
    throw error
  }
  if (bytes.length === 0) throw fieldError(param, 'a data: URL without data; expected an image', 'empty_image_file')
  return bytes
}
