/** Against a local server that behaves like the hub: its API, redirects of large files to another host, ranges. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InputError, XComposerError } from '../common/errors.js'
import { pull } from './hub.js'

const COMMIT = '0123456789abcdef0123456789abcdef01234567'
const weights = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31) % 251))
const files: Record<string, Buffer> = {
  'config.json': Buffer.from('{}'),
  'model.safetensors': weights,
  'pytorch_model.bin': Buffer.from('not wanted where there are safetensors'),
  'modeling_evil.py': Buffer.from('import os'),
  'tokenizer.model': Buffer.from('tokens'),
}
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex')
const gitHash = (data: Buffer) => createHash('sha1').update(`blob ${data.length}\0`).update(data).digest('hex')
const isLarge = (name: string) => /\.(safetensors|bin)$/.test(name)

/** What the server does wrong, and what it saw. */
let hub = { token: '', cutAfter: 0, cuts: 0, claimed: {} as Record<string, string>, ignoreRange: false }
let seen: { url: string; authorization?: string | undefined; range?: string | undefined; host: 'hub' | 'storage' }[] = []
let home = ''
let endpoint = ''
const closing: (() => void)[] = []

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const note = (host: 'hub' | 'storage', request: IncomingMessage) =>
  seen.push({ host, url: request.url ?? '', authorization: request.headers.authorization, range: request.headers.range })

function send(request: IncomingMessage, response: ServerResponse, data: Buffer): void {
  const from = hub.ignoreRange ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const part = data.subarray(from)
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': part.length })
  if (hub.cutAfter > 0 && hub.cuts > 0 && part.length > hub.cutAfter) {
    hub.cuts--
    response.write(part.subarray(0, hub.cutAfter), () => setTimeout(() => response.destroy(), 20))
  } else response.end(part)
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'hub-'))
  hub = { token: '', cutAfter: 0, cuts: 0, claimed: {}, ignoreRange: false }
  seen = []
  const storage = await serve((request, response) => {
    note('storage', request)
    send(request, response, files[(request.url ?? '').slice(1)] ?? Buffer.alloc(0))
  })
  endpoint = await serve((request, response) => {
    note('hub', request)
    const json = (value: unknown) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
    const fail = (status: number) => response.writeHead(status).end('no')
    const { pathname } = new URL(request.url ?? '', 'http://hub')
    if (hub.token && request.headers.authorization !== `Bearer ${hub.token}`) return void fail(401)
    if (pathname.startsWith('/api/models/org/model/revision/')) {
      const revision = decodeURIComponent(pathname.split('/').at(-1) ?? '')
      return void (revision === 'main' ? json({ _id: '1', id: 'org/model', sha: COMMIT }) : fail(404))
    }
    if (pathname === `/api/models/org/model/tree/${COMMIT}`) {
      const entries = Object.entries(files).map(([path, data]) => {
        const hash = hub.claimed[path] ?? (isLarge(path) ? sha256(data) : gitHash(data))
        return isLarge(path)
          ? { type: 'file', path, size: data.length, oid: gitHash(data), lfs: { oid: hash, size: data.length, pointerSize: 130 } }
          : { type: 'file', path, size: data.length, oid: hash }
      })
      return void json(entries)
    }
    const name = pathname.replace(`/org/model/resolve/${COMMIT}/`, '')
    const data = files[name]
    if (!data) return void fail(404)
    if (isLarge(name)) return void response.writeHead(302, { location: `${storage}/${name}` }).end()
    send(request, response, data)
  })
})
afterEach(() => {
  for (const close of closing.splice(0)) close()
  rmSync(home, { recursive: true })
})

const repo = () => join(home, 'hub', 'models--org--model')
const bring = (options = {}) => pull('org/model', { endpoint, home, ...options })

describe('pull', () => {
  it('brings what makes up a model, checked, where the Python tools look for it', async () => {
    const progress: number[] = []
    const dir = await bring({ onProgress: ({ done, total }: { done: number; total: number }) => progress.push(done / total) })
    expect(dir).toBe(join(repo(), 'snapshots', COMMIT))
    expect(readdirSync(dir).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.model'])
    expect(readFileSync(join(dir, 'model.safetensors')).equals(weights)).toBe(true)
    expect(readFileSync(join(repo(), 'refs', 'main'), 'utf8')).toBe(COMMIT)
    expect(progress.at(-1)).toBe(1)
    expect(progress).toEqual([...progress].sort((a, b) => a - b))
    // A second time nothing is downloaded, and offline nothing is asked.
    seen = []
    expect(await bring()).toBe(dir)
    expect(seen.filter(({ url }) => url.includes('resolve') || url.includes('safetensors'))).toEqual([])
    seen = []
    expect(await bring({ offline: true })).toBe(dir)
    expect(seen).toEqual([])
  })

  it('takes the address of a page, and the revision in it', async () => {
    expect(await pull(`${endpoint}/org/model/tree/main`, { endpoint, home })).toBe(join(repo(), 'snapshots', COMMIT))
    await expect(pull(`${endpoint}/org/model/tree/v9`, { endpoint, home })).rejects.toThrow(/no such model or revision "v9"/)
    const both = pull(`${endpoint}/org/model/tree/main`, { endpoint, home, revision: 'v9' })
    await expect(both).rejects.toThrow(/^--revision: got "v9", but the address names "main"$/)
  })

  it('goes on where a connection was cut, and where an earlier run was', async () => {
    hub.cutAfter = 100_000
    hub.cuts = 2
    const dir = await bring()
    expect(readFileSync(join(dir, 'model.safetensors')).equals(weights)).toBe(true)
    const ranges = seen.filter(({ url, host }) => host === 'storage' && url === '/model.safetensors').map(({ range }) => range)
    expect(ranges).toHaveLength(3)
    expect(ranges[0]).toBeUndefined()
    for (const range of ranges.slice(1)) expect(range).toMatch(/^bytes=[1-9]\d*-$/)
    rmSync(home, { recursive: true })
    mkdirSync(join(repo(), 'blobs'), { recursive: true })
    writeFileSync(join(repo(), 'blobs', `${sha256(weights)}.incomplete`), weights.subarray(0, 12_345))
    seen = []
    await bring()
    expect(seen.find(({ url }) => url === '/model.safetensors')?.range).toBe('bytes=12345-')
  })

  it('starts again where the server ignores ranges', async () => {
    mkdirSync(join(repo(), 'blobs'), { recursive: true })
    writeFileSync(join(repo(), 'blobs', `${sha256(weights)}.incomplete`), weights.subarray(5, 700))
    hub.ignoreRange = true
    expect(readFileSync(join(await bring(), 'model.safetensors')).equals(weights)).toBe(true)
  })

  it('throws away what is not what was announced', async () => {
    hub.claimed['model.safetensors'] = sha256(Buffer.from('other'))
    await expect(bring()).rejects.toThrow(/^model.safetensors: its hash is .* was announced; it was thrown away/)
    expect(readdirSync(join(repo(), 'blobs')).filter((name) => name.length > 60)).toEqual([])
    expect(existsSync(join(repo(), 'refs'))).toBe(false)
    hub.claimed = { 'config.json': gitHash(Buffer.from('[]')) }
    await expect(bring()).rejects.toThrow(XComposerError)
  })

  it('gives the token to the hub and to nobody else', async () => {
    hub.token = 'hf_secret'
    await expect(bring()).rejects.toThrow(/answered 401; set HF_TOKEN/)
    await expect(bring({ token: 'hf_wrong' })).rejects.toThrow(/answered 401; HF_TOKEN may not read it/)
    seen = []
    await bring({ token: 'hf_secret' })
    for (const { host, authorization } of seen) expect(authorization).toBe(host === 'hub' ? 'Bearer hf_secret' : undefined)
    expect(seen.some(({ host }) => host === 'storage')).toBe(true)
  })

  it.each([
    ['a name that is none', () => pull('model', { endpoint, home }), /expected ORG\/NAME/],
    ['a name that walks away', () => pull('../x', { endpoint, home }), /no such model|expected ORG/],
    ['a revision that is not there', () => bring({ revision: 'v9' }), /no such model or revision "v9"/],
    ['a revision that walks away', () => bring({ revision: '../../x' }), /--revision: got/],
    ['an address that is none', () => bring({ endpoint: 'ftp://x' }), /HF_ENDPOINT: got "ftp:\/\/x"/],
    ['a token that is none', () => bring({ token: 'secret' }), /HF_TOKEN: expected a key that starts with hf_/],
    ['offline, and never pulled', () => bring({ offline: true }), /not in .*; pull it without --offline first/],
  ])('refuses %s', async (_, run, message) => {
    await expect(run()).rejects.toThrow(message)
    await expect(run()).rejects.toThrow(InputError)
  })

  it('says when the hub cannot be reached', async () => {
    await expect(bring({ endpoint: 'http://127.0.0.1:9' })).rejects.toThrow(/^org\/model: http:\/\/127.0.0.1:9 cannot be reached/)
  })
})
