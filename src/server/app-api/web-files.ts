/**
 * The built web app (`dist/web`), held in memory: nothing but these files can be asked for, whatever a path says. They are compressed
 * once; names with a hash in them never change.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { Hono } from 'hono'
import type { RequestContext, ServerEnv } from '../context.js'

/**
 * Scripts, styles and requests of this origin alone, no inline script or style, no eval, no frame around it. What is set as HTML must have
 * gone through the sanitiser (trusted types).
 */
export const WEB_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types dompurify',
].join('; ')

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.webmanifest': 'application/manifest+json',
}

interface WebFile {
  readonly type: string
  readonly tag: string
  readonly cache: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly br?: Uint8Array<ArrayBuffer>
  readonly gzip?: Uint8Array<ArrayBuffer>
}

/** The files of a build by their URL path; none when it is not built. */
export function readWebFiles(dir: string): ReadonlyMap<string, WebFile> {
  const files = new Map<string, WebFile>()
  if (!existsSync(join(dir, 'index.html'))) return files
  for (const entry of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
    const type = types[extname(entry)]
    if (!type) continue
    const path = `/${entry.replaceAll('\\', '/')}`
    const bytes = new Uint8Array(readFileSync(join(dir, entry)))
    const text = /^(text|application|image\/svg)/.test(type)
    files.set(path === '/index.html' ? '/' : path, {
      type,
      tag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"`,
      cache: path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      bytes,
      ...(text
        ? {
            br: new Uint8Array(brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } })),
            gzip: new Uint8Array(gzipSync(bytes)),
          }
        : {}),
    })
  }
  return files
}

/** Serves the files at their paths, and says how to build them where there are none. */
export function serveWebFiles(app: Hono<ServerEnv>, files: ReadonlyMap<string, WebFile>): void {
  const serve = (c: RequestContext, file: WebFile) => {
    const accepted = c.req.header('accept-encoding') ?? ''
    const coding = (['br', 'gzip'] as const).find((name) => file[name] && new RegExp(`\\b${name}\\b`).test(accepted))
    const headers: Record<string, string> = {
      'content-type': file.type,
      'content-security-policy': WEB_POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'permissions-policy': 'geolocation=(), microphone=()',
      'cache-control': file.cache,
      etag: file.tag,
      vary: 'accept-encoding',
      ...(coding ? { 'content-encoding': coding } : {}),
    }
    if (c.req.header('if-none-match') === file.tag) return c.body(null, 304, headers)
    return c.body((coding && file[coding]) ?? file.bytes, 200, headers)
  }
  for (const [path, file] of files) app.get(path, (c) => serve(c, file))
  if (!files.has('/')) app.get('/', (c) => c.text('The web app is not built; run: npm run build\n', 404))
}
