/** Fetching images, against a server of this machine that plays every trick, and names that resolve to what a test says. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isPublicAddress } from './addresses.js'
import { type FetchImageOptions, imageFetcher, type Resolved } from './fetch-image.js'

const never = new AbortController().signal
const PARAM = 'messages.0.content.0.image_url.url'
const png = Buffer.from('iVBORw0KGgo=', 'base64')

let server: Server
let port = 0
const requests: string[] = []
const answers: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  '/a.png': (_, response) => response.writeHead(200, { 'content-type': 'image/png' }).end(png),
  '/again': (_, response) => response.writeHead(302, { location: '/a.png' }).end(),
  '/loop': (_, response) => response.writeHead(302, { location: '/loop' }).end(),
  '/elsewhere': (_, response) => response.writeHead(302, { location: `http://other.test:${port}/a.png` }).end(),
  '/inside': (_, response) => response.writeHead(302, { location: `http://127.0.0.1:${port}/a.png` }).end(),
  '/file': (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
  '/endless': (_, response) => {
    response.writeHead(200, { 'content-type': 'image/png' })
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
    }
    response.on('drain', more)
    more()
  },
  '/slow': (_, response) => {
    response.writeHead(200, { 'content-type': 'image/png' })
    const timer = setInterval(() => response.write('x'), 20)
    response.on('close', () => clearInterval(timer))
  },
  '/silent': () => {},
  '/zip': (_, response) => response.writeHead(200, { 'content-type': 'image/png', 'content-encoding': 'gzip' }).end(png),
  '/page': (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
  '/missing': (_, response) => response.writeHead(404).end(),
}
beforeAll(async () => {
  server = createServer((request, response) => {
    requests.push(`${request.headers.host}${request.url}`)
    answers[request.url ?? '']?.(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

/** The test's server counts as public, as one address of the wide world would. */
const here: Resolved = { address: '127.0.0.1', family: 4 }
const rules = (more: Partial<FetchImageOptions> = {}): FetchImageOptions => ({
  hosts: [`images.test:${port}`],
  resolve: async () => [here],
  isAllowedAddress: (address) => address === '127.0.0.1',
  maxBytes: 1_000_000,
  timeoutMs: 400,
  ...more,
})
const get = (path: string, more: Partial<FetchImageOptions> = {}) =>
  imageFetcher(rules(more))(path.startsWith('/') ? `http://images.test:${port}${path}` : path, PARAM, never)

describe('an allowed host', () => {
  it('is fetched from, by its own name, through redirects to itself', async () => {
    expect(Buffer.from(await get('/a.png'))).toEqual(png)
    expect(Buffer.from(await get('/again'))).toEqual(png)
    expect(requests.at(-1)).toBe(`images.test:${port}/a.png`)
  })

  it.each([
    ['/loop', /more than 3 redirects/],
    ['/elsewhere', /fetches no images from other\.test/],
    ['/inside', /fetches no images from 127\.0\.0\.1/],
    ['/file', /expected http or https, got file:/],
    ['/endless', /more than 1000000 bytes/],
    ['/slow', /no complete answer within 0\.4 seconds/],
    ['/silent', /no complete answer within 0\.4 seconds/],
    ['/zip', /compressed/],
    ['/page', /is not an image/],
    ['/missing', /status 404/],
  ])('that answers %s is given up', async (path, message) => {
    await expect(get(path)).rejects.toMatchObject({ status: 400, param: PARAM, message: expect.stringMatching(message) })
  })

  it('is not redirected from to another that is allowed as well', async () => {
    await expect(get('/elsewhere', { hosts: ['*', `images.test:${port}`, `other.test:${port}`] })).rejects.toThrow(
      /to another host/,
    )
  })

  it('is connected to at the address that was checked, whatever DNS says next', async () => {
    const asked: string[] = []
    const changing = async (host: string): Promise<Resolved[]> => {
      asked.push(host)
      // The second answer, after the check, would be an address inside.
      return [{ address: asked.length === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }]
    }
    expect(Buffer.from(await get('/a.png', { resolve: changing }))).toEqual(png)
    expect(asked).toEqual(['images.test'])
    asked.length = 0
    await expect(get('/again', { resolve: changing })).rejects.toThrow(/not public/)
  })

  it('must have no address inside among its addresses', async () => {
    const before = requests.length
    for (const inside of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '169.254.169.254', '10.0.0.1', 'fd00:ec2::254']) {
      const resolve = async () => [
        { address: '8.8.8.8', family: 4 },
        { address: inside, family: inside.includes(':') ? 6 : 4 },
      ]
      await expect(get('/a.png', { resolve, isAllowedAddress: isPublicAddress })).rejects.toThrow(/not public/)
    }
    expect(requests.length).toBe(before)
  })

  it('is left when the client leaves', async () => {
    const leaving = new AbortController()
    const waiting = imageFetcher(rules({ timeoutMs: 10_000 }))(`http://images.test:${port}/silent`, PARAM, leaving.signal)
    setTimeout(() => leaving.abort(new Error('left')), 50)
    await expect(waiting).rejects.toThrow('left')
  })
})

describe('what is not fetched at all', () => {
  const everywhere = { hosts: ['*'], isAllowedAddress: isPublicAddress, resolve: async () => [{ address: '8.8.8.8', family: 4 }] }

  it.each([
    'http://127.0.0.1/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://127.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/',
    'http://①②⑦.⓪.⓪.①/',
    'http://127。0。0。1/',
    'http://[fe80::1%25eth0]/',
    'http://[64:ff9b::7f00:1]/',
    'http://good\\@evil.example/',
    'http://user:password@example.com/',
    'http://example.com:22/',
    'http://example.com\t/',
    'file:///etc/passwd',
    'ftp://example.com/a.png',
    'gopher://example.com/',
    'http://',
    `http://example.com/${'a'.repeat(5000)}`,
  ])('%s', async (url) => {
    await expect(get(url, everywhere)).rejects.toMatchObject({ status: 400, code: 'invalid_image_url' })
  })

  it.each(['http://localhost/', 'http://localhost./', 'http://metadata.google.internal/'])(
    '%s, where it resolves inside',
    async (url) => {
      const resolve = async () => [{ address: '127.0.0.1', family: 4 }]
      await expect(get(url, { ...everywhere, resolve })).rejects.toThrow(/not public/)
    },
  )

  it('anything, where no host is allowed', async () => {
    await expect(get('https://example.com/a.png', { hosts: [] })).rejects.toThrow(/fetches no images; send the image itself/)
  })

  it.each([
    ['example.com', 'https://sub.example.com/'],
    ['*.example.com', 'https://example.com/'],
    ['*.example.com', 'https://badexample.com/'],
    ['example.com', 'https://example.com.evil.test/'],
    ['example.com', 'https://example.com:8443/'],
  ])('with %s allowed, %s', async (allowed, url) => {
    await expect(get(url, { hosts: [allowed] })).rejects.toThrow(/fetches no images from/)
  })
})
