/** The socket of an application: node's HTTP server with limits on what a slow or hostile client can hold, and an orderly end. */
import { createServer, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { XComposerError } from '../common/errors.js'
import type { App } from './app.js'
import { ApiError } from './errors.js'

export interface ListenOptions {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** How long a client may take to send its headers; default 15 s. */
  readonly headersTimeoutMs?: number
  /** How long it may take to send all of its request; default 120 s. */
  readonly requestTimeoutMs?: number
  /** Connections at a time; default 1024. */
  readonly maxConnections?: number
}

/** A server that listens. */
export interface Listening {
  /** `http://HOST:PORT`. */
  readonly url: string
  readonly port: number
  /**
   * Answers what has begun, refuses what comes, and ends.
   * @param graceMs after which what still runs is cut off
   */
  drain(graceMs: number): Promise<void>
  /** Ends now. */
  close(): Promise<void>
}

/** How often node looks for connections that are too slow. */
const CHECK_MS = 2000
const LAST_BYTES_MS = 1000

/** @throws XComposerError where the address is taken or not this machine's */
export async function listen(app: App, options: ListenOptions): Promise<Listening> {
  const { host, port, headersTimeoutMs = 15_000, requestTimeoutMs = 120_000 } = options
  const listener = getRequestListener(app.hono.fetch, {
    overrideGlobalObjects: false,
    errorHandler: () => Response.json(new ApiError(400, 'the request is malformed').body, { status: 400 }),
  })
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_MS, headersTimeoutMs),
      keepAliveTimeout: 65_000,
      maxHeaderSize: 32 * 1024,
    },
    (request, response) => void listener(request, response),
  )
  server.maxConnections = options.maxConnections ?? 1024
  const bound = await bind(server, host, port)
  const shown = host.includes(':') ? `[${host}]` : host
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return {
    url: `http://${shown}:${bound}`,
    port: bound,
    async drain(graceMs) {
      let timer: NodeJS.Timeout | undefined
      const grace = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs)
      })
      await Promise.race([app.drain(), grace])
      clearTimeout(timer)
      // Connections without a request close by themselves, the last answers first reach their readers.
      const ended = new Promise<void>((resolve) => server.close(() => resolve()))
      const cut = setTimeout(() => server.closeAllConnections(), LAST_BYTES_MS)
      await ended
      clearTimeout(cut)
    },
    close,
  }
}

function bind(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? 'is taken; choose another --port, or 0 for any that is free'
          : error.code === 'EACCES'
            ? 'needs more rights; choose a --port from 1024'
            : `cannot be listened on (${error.code ?? error.message})`
      reject(new XComposerError(`${host}:${port} ${why}`, { cause: error }))
    })
    server.listen(port, host, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
}
