/**
 * Fetches an image from a host that the server's owner allowed, and from nowhere else: names are resolved once and the connection goes to
 * that checked address, so that an answer of DNS that changes leads nowhere; redirects stay on the host and are checked again.
 */
import { lookup } from 'node:dns/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { isPublicAddress } from './addresses.js'
import { ApiError } from './errors.js'

/** An address of a name. */
export interface Resolved {
  readonly address: string
  readonly family: number
}

export interface FetchImageOptions {
  /** `example.com`, `*.example.com`, `example.com:8443`, or `*` for every public host. */
  readonly hosts: readonly string[]
  /** Default: the system's. */
  readonly resolve?: (host: string) => Promise<readonly Resolved[]>
  /** Default: public ones. */
  readonly isAllowedAddress?: (address: string) => boolean
  readonly maxBytes?: number
  /** For everything together, redirects included. */
  readonly timeoutMs?: number
}

/** Fetches the image of a URL. @param param of the field that holds it @throws ApiError 400 */
export type ImageFetcher = (url: string, param: string, signal: AbortSignal) => Promise<Uint8Array>

const MAX_REDIRECTS = 3
const MAX_URL = 4096
const DEFAULT_MAX_BYTES = 20 * 2 ** 20
const DEFAULT_TIMEOUT_MS = 10_000

/** A fetcher with these rules. */
export function imageFetcher(options: FetchImageOptions): ImageFetcher {
  const { maxBytes = DEFAULT_MAX_BYTES, timeoutMs = DEFAULT_TIMEOUT_MS } = options
  return async (text, param, signal) => {
    const timeout = AbortSignal.timeout(timeoutMs)
    const either = AbortSignal.any([signal, timeout])
    try {
      let url = checkedUrl(text, options, param)
      const { host } = url
      for (let redirects = 0; ; redirects++) {
        const response = await connect(url, await checkedAddress(url, options, param), either)
        try {
          const target = redirectTarget(response, url)
          if (target === undefined) return await read(response, param, maxBytes)
          if (redirects === MAX_REDIRECTS) throw failed(param, `more than ${MAX_REDIRECTS} redirects`)
          url = checkedUrl(target, options, param)
          if (url.host !== host) throw failed(param, 'a redirect to another host')
        } finally {
          response.destroy()
        }
      }
    } catch (error) {
      if (error instanceof ApiError) throw error
      signal.throwIfAborted()
      if (timeout.aborted) throw failed(param, `no complete answer within ${timeoutMs / 1000} seconds`)
      // What the network says of an address inside is nobody's business.
      throw failed(param, 'the host did not answer as it should', error)
    }
  }
}

function refused(param: string, why: string): ApiError {
  return new ApiError(400, `${param}: ${why}`, { param, code: 'invalid_image_url' })
}

function failed(param: string, why: string, cause?: unknown): ApiError {
  return new ApiError(400, `${param}: the image could not be fetched: ${why}`, { param, code: 'failed_to_download_image', cause })
}

/** @throws ApiError for a URL of another scheme, host or port, or one that is written to be misread */
function checkedUrl(text: string, { hosts }: FetchImageOptions, param: string): URL {
  if (text.length > MAX_URL) throw refused(param, `a URL of ${text.length} characters, at most ${MAX_URL} are taken`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x20\x7f\\]/.test(text)) throw refused(param, 'the URL holds white space, control characters or a backslash')
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw refused(param, 'not a URL')
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refused(param, `expected http or https, got ${url.protocol}`)
  if (url.username !== '' || url.password !== '') throw refused(param, 'the URL holds a user name or password')
  const name = url.hostname.replace(/\.$/, '')
  const isAllowed = hosts.some((allowed) => matches(allowed.toLowerCase(), name, url.port))
  if (!isAllowed) {
    const why = hosts.length === 0 ? 'this server fetches no images' : `this server fetches no images from ${url.host}`
    throw refused(param, `${why}; send the image itself as a data: URL, or start the server with --allow-image-host`)
  }
  return url
}

function matches(allowed: string, name: string, port: string): boolean {
  const [, host = allowed, allowedPort = ''] = /^(.*?)(?::(\d+))?$/.exec(allowed) ?? []
  if (port !== allowedPort) return false
  if (host === '*') return true
  return host.startsWith('*.') ? name.endsWith(host.slice(1)) : name === host
}

/** The one address that is connected to. Every address of the name must be allowed: one that is not means that the name is not to be trusted. */
async function checkedAddress(
  { hostname }: URL,
  { resolve = resolveBySystem, isAllowedAddress = isPublicAddress }: FetchImageOptions,
  param: string,
): Promise<Resolved> {
  const literal = hostname.replace(/^\[|\]$/g, '')
  const addresses = isIP(literal) ? [{ address: literal, family: isIP(literal) }] : await resolve(hostname)
  const [first] = addresses
  if (!first) throw failed(param, 'the host has no address')
  if (!addresses.every(({ address }) => isAllowedAddress(address)))
    throw refused(param, 'the host has an address that is not public')
  return first
}

const resolveBySystem = (host: string): Promise<readonly Resolved[]> => lookup(host, { all: true, verbatim: true })

function connect(url: URL, { address, family }: Resolved, signal: AbortSignal): Promise<IncomingMessage> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const sent = request(url.href, {
      signal,
      agent: false,
      // The answer that was checked, whatever DNS says by now.
      lookup: (_host, { all }, callback) => (all ? callback(null, [{ address, family }]) : callback(null, address, family)),
      headers: { accept: 'image/*', 'accept-encoding': 'identity', 'user-agent': 'xcomposer' },
    })
    sent.on('response', resolve)
    sent.on('error', reject)
    sent.end()
  })
}

function redirectTarget({ statusCode = 0, headers }: IncomingMessage, from: URL): string | undefined {
  if (![301, 302, 303, 307, 308].includes(statusCode) || headers.location === undefined) return undefined
  return URL.canParse(headers.location, from.href) ? new URL(headers.location, from.href).href : headers.location
}

async function read(response: IncomingMessage, param: string, maxBytes: number): Promise<Uint8Array> {
  const { statusCode, headers } = response
  if (statusCode !== 200) throw failed(param, `the host answered with status ${statusCode}`)
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') throw failed(param, 'the host sent it compressed, though that was not asked for')
  const type = headers['content-type'] ?? 'application/octet-stream'
  if (!/^(image\/|(application|binary)\/octet-stream)/i.test(type)) throw failed(param, 'what the host sent is not an image')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    const bytes = chunk as Buffer
    size += bytes.length
    if (size > maxBytes) throw failed(param, `more than ${maxBytes} bytes`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}
