/** Who may ask: API keys, and which hosts and pages a browser may name, so that no web page reaches a server on the reader's own machine. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { ApiError } from './errors.js'

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

/** The keys of a server, as hashes. */
export class ApiKeys {
  private readonly hashes: readonly Buffer[]

  /** @param keys none: everybody may ask */
  constructor(keys: readonly string[]) {
    this.hashes = keys.map(sha256)
  }

  /**
   * The hash of the request's key, or '' where no key is needed. All keys are compared, each in constant time.
   * @throws ApiError 401
   */
  check(headers: Headers): string {
    if (this.hashes.length === 0) return ''
    const given = /^Bearer\s+(\S+)\s*$/i.exec(headers.get('authorization') ?? '')?.[1] ?? headers.get('x-api-key')
    const hash = sha256(given ?? '')
    let found = false
    for (const known of this.hashes) found = timingSafeEqual(known, hash) || found
    if (given === undefined || given === null || given === '')
      throw new ApiError(401, 'no API key was given; send the header Authorization: Bearer KEY', { code: 'invalid_api_key' })
    if (!found) throw new ApiError(401, 'incorrect API key', { code: 'invalid_api_key' })
    return hash.toString('hex')
  }
}

/** Whether an address that a server listens on is reached from this machine alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/** Which `Host` and `Origin` headers are taken. */
export interface HostRules {
  /** Names that a browser may reach the server by; undefined: any. */
  readonly hosts: ReadonlySet<string> | undefined
  /** Origins of pages elsewhere that may use the server, as `https://example.com`; `*`: all. */
  readonly origins: ReadonlySet<string>
}

/**
 * The rules of a server. One that listens on a loopback address takes the names of this machine alone: a name that an attacker's DNS points
 * to 127.0.0.1 ("DNS rebinding") is refused.
 */
export function hostRules(
  host: string,
  { allowedHosts = [], corsOrigins = [] }: { allowedHosts?: readonly string[]; corsOrigins?: readonly string[] },
): HostRules {
  const own = ['localhost', '127.0.0.1', '[::1]', isIP(host) === 6 ? `[${host}]` : host]
  const hosts = isLoopback(host) ? new Set([...own, ...allowedHosts].map((name) => name.toLowerCase())) : undefined
  return { hosts, origins: new Set(corsOrigins.map((origin) => origin.toLowerCase().replace(/\/$/, ''))) }
}

/** @returns the origin to be allowed by CORS headers, if the request comes from a page elsewhere @throws ApiError 403 */
export function checkHost({ hosts, origins }: HostRules, headers: Headers): string | undefined {
  const host = (headers.get('host') ?? '').toLowerCase()
  const name = host.replace(/:\d+$/, '').replace(/\.$/, '')
  if (hosts && !hosts.has(name))
    throw new ApiError(
      403,
      'the Host header names none of this server; start it with --allow-host NAME to be reached by that name',
      {
        code: 'forbidden_host',
      },
    )
  const origin = headers.get('origin')?.toLowerCase()
  if (origin === undefined || origin === `http://${host}` || origin === `https://${host}`) return undefined
  if (origins.has('*') || origins.has(origin)) return origin
  throw new ApiError(403, 'the Origin is not allowed; start the server with --cors-origin ORIGIN for pages of other origins', {
    code: 'forbidden_origin',
  })
}
