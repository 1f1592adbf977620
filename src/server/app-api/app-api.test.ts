/** The web app's interface as a page uses it, over a real file. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono } from 'hono'
import Database from 'libsql'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openStoredZip } from '../../checkpoint/torch-zip.js'
import type { ServerEnv } from '../context.js'
import { type MountedApp, mountApp } from './index.js'
import { ConversationStore } from './store.js'

let dir: string
let mounted: MountedApp
let app: Hono<ServerEnv>
const scopeOf = (c: { req: { header(name: string): string | undefined } }) => c.req.header('x-scope') ?? ''

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'app-api-'))
  app = new Hono<ServerEnv>()
  mounted = mountApp(app, scopeOf, { conversations: join(dir, 'kept', 'conversations.db'), files: dir })
})
afterEach(() => {
  mounted.close()
  rmSync(dir, { recursive: true })
})

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const json = body !== undefined && !(body instanceof Uint8Array)
  const response = await app.request(path, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': json ? 'application/json' : 'application/octet-stream' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : new Uint8Array(body as Uint8Array) }),
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  const isJson = response.headers.get('content-type')?.startsWith('application/json')
  return { status: response.status, headers: response.headers, bytes, value: isJson ? JSON.parse(bytes.toString()) : undefined }
}

const say = (id: string, message: string, fields: object) => call('PUT', `/app/conversations/${id}/messages/${message}`, fields)

/** A question with an image, its answer, and a second answer. */
async function conversation(id = 'conversation-1', question = 'What is this?', answer = 'A house.') {
  const png = await sharp({ create: { width: 40, height: 30, channels: 3, background: '#c00' } })
    .png()
    .toBuffer()
  const { value: image } = await call('POST', '/app/images', png)
  await call('PUT', `/app/conversations/${id}`, { title: question })
  await say(id, 'question-1', { parent: null, role: 'user', text: question, images: [image.id] })
  await say(id, 'answer-01', { parent: 'question-1', role: 'assistant', text: answer })
  await say(id, 'answer-02', { parent: 'question-1', role: 'assistant', text: 'Another answer.', state: 'stopped' })
  await call('PUT', `/app/conversations/${id}`, { leaf: 'answer-01' })
  return { id, image: image as { id: string }, png }
}

describe('conversations', () => {
  it('are read as they were written, with images, versions and the branch that is shown', async () => {
    const { id, image, png } = await conversation()
    const { value } = await call('GET', `/app/conversations/${id}`)
    expect(value).toMatchObject({ id, title: 'What is this?', leaf: 'answer-01' })
    expect(
      value.messages.map((m: { id: string; parent: string; images: string[]; state: string }) => [
        m.id,
        m.parent,
        m.images,
        m.state,
      ]),
    ).toEqual([
      ['question-1', null, [image.id], 'done'],
      ['answer-01', 'question-1', [], 'done'],
      ['answer-02', 'question-1', [], 'stopped'],
    ])
    const got = await call('GET', `/app/images/${image.id}`)
    expect(got.bytes.equals(png)).toBe(true)
    expect(got.headers.get('content-type')).toBe('image/png')
    expect(got.headers.get('content-security-policy')).toContain('sandbox')
  })

  it('are the same when a write is sent again, and a later one changes text, state and details', async () => {
    const { id } = await conversation()
    const fields = {
      parent: 'question-1',
      role: 'assistant',
      text: 'A house with a garden.',
      state: 'done',
      details: { tokensPerSecond: 12.5 },
    }
    await say(id, 'answer-02', fields)
    await say(id, 'answer-02', fields)
    const { value } = await call('GET', `/app/conversations/${id}`)
    expect(value.messages).toHaveLength(3)
    expect(value.messages[2]).toMatchObject({ text: 'A house with a garden.', state: 'done', details: { tokensPerSecond: 12.5 } })
  })

  it('are found by parts of words, by Chinese words of two characters, by several terms and by title', async () => {
    await conversation('english-01', 'What is the capital of Mongolia?', 'It is **Ulaanbaatar**, 100% sure.')
    await conversation('chinese-01', '这个国家的首都是哪里？', '蒙古国的首都是乌兰巴托。')
    const found = async (query: string) => {
      const { value } = await call('GET', `/app/conversations?query=${encodeURIComponent(query)}`)
      return value.conversations.map((c: { id: string }) => c.id)
    }
    expect(await found('aanba')).toEqual(['english-01'])
    expect(await found('ULAAN sure')).toEqual(['english-01'])
    expect(await found('首都')).toEqual(['chinese-01'])
    expect(await found('乌兰巴托')).toEqual(['chinese-01'])
    expect(await found('首都 乌兰巴')).toEqual(['chinese-01'])
    expect(await found('Mongolia')).toEqual(['english-01'])
    expect(await found('0%')).toEqual(['english-01'])
    expect(await found('%')).toEqual(['english-01'])
    expect(await found('"" OR x*')).toEqual([])
    const { value } = await call('GET', '/app/conversations')
    expect(value.conversations.find(({ id }: { id: string }) => id === 'chinese-01').excerpt).toBe('蒙古国的首都是乌兰巴托。')
    expect((await found('')).sort()).toEqual(['chinese-01', 'english-01'])
  })

  it('show the words around what was found', async () => {
    await conversation('english-01', 'What?', `${'before '.repeat(30)}needle${' after'.repeat(30)}`)
    const { value } = await call('GET', '/app/conversations?query=needle')
    expect(value.conversations[0].excerpt).toMatch(/^….*needle.*…$/)
    expect(value.conversations[0].excerpt.length).toBeLessThan(110)
  })

  it('that are deleted are no longer found, and their images go when nothing else uses them', async () => {
    const { id, image } = await conversation()
    await conversation('other-conversation', 'Something else')
    expect((await call('DELETE', `/app/conversations/${id}`)).status).toBe(204)
    expect((await call('DELETE', `/app/conversations/${id}`)).status).toBe(404)
    expect((await call('GET', '/app/conversations?query=What+is+this')).value.conversations).toEqual([])
    // Another conversation still uses the same image.
    expect((await call('GET', `/app/images/${image.id}`)).status).toBe(200)
    mounted.close()
    const later = new ConversationStore(join(dir, 'kept', 'conversations.db'), () => Date.now() + 2 * 60 * 60 * 1000)
    later.delete('', 'other-conversation')
    expect(later.readImage('', image.id)).toBeUndefined()
    later.close()
    mounted = mountApp(new Hono<ServerEnv>(), scopeOf, { conversations: ':memory:', files: dir })
  })

  it('of one key are not seen with another', async () => {
    const { id, image } = await conversation()
    const other = { 'x-scope': 'other' }
    expect((await call('GET', '/app/conversations', undefined, other)).value.conversations).toEqual([])
    for (const path of [`conversations/${id}`, `images/${image.id}`, `conversations/${id}/export`])
      expect((await call('GET', `/app/${path}`, undefined, other)).status, path).toBe(404)
    expect((await call('DELETE', `/app/conversations/${id}`, undefined, other)).status).toBe(404)
    expect((await call('GET', `/app/conversations/${id}`)).status).toBe(200)
  })

  it('are kept when the server starts again', async () => {
    const { id } = await conversation()
    mounted.close()
    app = new Hono<ServerEnv>()
    mounted = mountApp(app, scopeOf, { conversations: join(dir, 'kept', 'conversations.db'), files: dir })
    expect((await call('GET', `/app/conversations/${id}`)).value.messages).toHaveLength(3)
  })
})

describe('what cannot be kept is refused in one line', () => {
  it.each([
    ['PUT', '/app/conversations/short', {}, 'id: expected 8 to 64 letters'],
    ['PUT', '/app/conversations/conversation-1', { title: 7 }, 'title: expected string, got 7'],
    ['PUT', '/app/conversations/missing-one/messages/message-1', { parent: null, role: 'user', text: '' }, 'write it before'],
    ['PUT', '/app/conversations/conversation-1/messages/message-1', { parent: null, role: 'robot', text: '' }, 'role: '],
    [
      'PUT',
      '/app/conversations/conversation-1/messages/message-1',
      { parent: 'nobody-there', role: 'user', text: '' },
      'no other message',
    ],
    [
      'PUT',
      '/app/conversations/conversation-1/messages/message-1',
      { parent: null, role: 'user', text: '', images: ['a'.repeat(64)] },
      'images.0: ',
    ],
    ['POST', '/app/images', new Uint8Array([1, 2, 3]), 'not an image'],
    ['POST', '/app/images', new TextEncoder().encode('<svg onload="x()"/>'), 'SVG'],
    ['GET', '/app/conversations?limit=0', undefined, 'limit: '],
  ])('%s %s %j', async (method, path, body, message) => {
    await call('PUT', '/app/conversations/conversation-1', { title: 'One' })
    const { status, value } = await call(method, path, body)
    expect(status).toBe(400)
    expect(value.error.message).toContain(message)
    expect(value.error.message).not.toContain('\n')
    expect((await call('GET', '/app/conversations/conversation-1')).value.messages).toEqual([])
  })

  it('a form of another page, a body that is no JSON, a path that is not there', async () => {
    const put = (type: string, body: string) =>
      app.request('/app/conversations/conversation-1', { method: 'PUT', headers: { 'content-type': type }, body })
    expect((await put('text/plain', '{}')).status).toBe(400)
    expect((await put('application/json', '{')).status).toBe(400)
    expect((await call('GET', '/app/elsewhere')).status).toBe(404)
  })

  it('a data folder that cannot be written, with a notice, when no file was named', async () => {
    writeFileSync(join(dir, 'no-folder'), '')
    vi.stubEnv('XCOMPOSER_DATA', join(dir, 'no-folder'))
    const notices: string[] = []
    const other = mountApp(new Hono<ServerEnv>(), scopeOf, { files: dir, onNotice: (line) => notices.push(line) })
    expect(notices).toEqual([expect.stringMatching(/conversations\.db: cannot be used .*in memory alone$/)])
    other.close()
    vi.unstubAllEnvs()
  })

  it('a file that is no database, or of a newer version', () => {
    writeFileSync(join(dir, 'text.db'), 'This is not a database, and long enough to be sure of it.'.repeat(20))
    expect(() => new ConversationStore(join(dir, 'text.db'))).toThrow(
      /text\.db: cannot be used for conversations .*name another file$/,
    )
    const newer = new Database(join(dir, 'newer.db'))
    newer.exec('pragma user_version = 99')
    newer.close()
    expect(() => new ConversationStore(join(dir, 'newer.db'))).toThrow('newer version')
  })
})

describe('export', () => {
  const hostile = 'A house. <script>alert(1)</script> ![x](http://example.com/x.png) [y](javascript:alert(1))'

  it('as a page holds the shown branch with its images and nothing that runs', async () => {
    const { id, png } = await conversation('conversation-1', 'What is <b>this</b>?', hostile)
    const { headers, bytes } = await call('GET', `/app/conversations/${id}/export?format=html`)
    const html = bytes.toString()
    expect(headers.get('content-disposition')).toBe("attachment; filename*=UTF-8''What%20is%20b%20this%20b.html")
    expect(html).toContain(`data:image/png;base64,${png.toString('base64')}`)
    expect(html).toContain('A house.')
    expect(html).not.toContain('Another answer')
    expect(html).not.toMatch(/<script|<b>|src="http|href="javascript/)
  })

  it('as Markdown is an archive with the images, or only the text where there are none', async () => {
    const { id, png } = await conversation()
    const archive = await call('GET', `/app/conversations/${id}/export?format=markdown&language=zh`)
    expect(archive.headers.get('content-type')).toBe('application/zip')
    const file = join(dir, 'export.zip')
    writeFileSync(file, archive.bytes)
    const entries = [...openStoredZip(file)].map(([name, { offset, size }]) => ({
      name,
      bytes: archive.bytes.subarray(offset, offset + size),
    }))
    expect(entries.map(({ name }) => name)).toEqual(['What is this.md', expect.stringMatching(/^images\/[0-9a-f]{16}\.png$/)])
    expect(entries[1]?.bytes.equals(png)).toBe(true)
    expect(entries[0]?.bytes.toString()).toMatch(
      /## 你\n\n!\[图片 1\]\(images\/[0-9a-f]{16}\.png\)\n\nWhat is this\?\n\n## 模型\n\nA house\./,
    )

    await call('PUT', '/app/conversations/conversation-2', { title: 'Hello', leaf: 'question-1' })
    await say('conversation-2', 'question-1', { parent: null, role: 'user', text: 'Hello' })
    const text = await call('GET', '/app/conversations/conversation-2/export?format=markdown')
    expect(text.bytes.toString()).toBe('# Hello\n\n## You\n\nHello\n')
  })
})

describe('the pages of the app', () => {
  it('are served with a policy that allows no inline script, compressed, and nothing outside their folder', async () => {
    const web = join(dir, 'web')
    mounted.close()
    rmSync(web, { recursive: true, force: true })
    mkdirSync(join(web, 'assets'), { recursive: true })
    writeFileSync(join(web, 'index.html'), '<!doctype html><title>x</title>')
    writeFileSync(join(web, 'assets', 'main-abc.js'), 'export {}'.repeat(100))
    app = new Hono<ServerEnv>()
    mounted = mountApp(app, scopeOf, { conversations: ':memory:', files: web })
    const page = await app.request('/')
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("script-src 'self';")
    expect(policy).not.toMatch(/unsafe|\*|https?:/)
    expect(page.headers.get('cache-control')).toBe('no-cache')
    expect((await app.request('/', { headers: { 'if-none-match': page.headers.get('etag') ?? '' } })).status).toBe(304)
    const script = await app.request('/assets/main-abc.js', { headers: { 'accept-encoding': 'gzip, br' } })
    expect(script.headers.get('content-encoding')).toBe('br')
    expect(script.headers.get('cache-control')).toContain('immutable')
    for (const path of ['/../conversations.db', '/%2e%2e/package.json', '/assets/', '/index.html/..', '/assets/..%2findex.html'])
      expect([404, 200]).toContain((await app.request(path)).status)
    expect((await app.request('/..%2f..%2fpackage.json')).status).toBe(404)
  })

  it('that are not built say how to build them', async () => {
    expect(await (await app.request('/')).text()).toContain('npm run build')
  })
})
