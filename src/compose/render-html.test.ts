import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import sharp from 'sharp'
import { afterAll, describe, expect, test } from 'vitest'
import { InputError } from '../common/errors.js'
import { escapeHtml } from '../common/escape-html.js'
import type { Article, ArticleImage } from './compose.js'
import { renderHtml, writeArticle } from './render-html.js'

const dir = mkdtempSync(path.join(tmpdir(), 'page-'))
afterAll(() => rmSync(dir, { recursive: true }))

async function picture(name: string, width: number, height: number): Promise<string> {
  const file = path.join(dir, name)
  await sharp({ create: { width, height, channels: 3, background: '#357' } }).toFile(file)
  return file
}
const imageOf = (file: string, caption = 'A lake', credit = 'me'): ArticleImage => ({
  file,
  caption,
  credit,
  candidates: [],
  chosen: 0,
})
const articleOf = (text: string, image?: ArticleImage, language: 'en' | 'zh' = 'en'): Article => ({
  subject: text,
  language,
  title: text,
  sections: [{ kind: 'paragraph', text, ...(image ? { image } : {}) }],
  notes: [],
  trace: [],
})
const model = { model: 'nano' }

/** Undo the five character references that escapeHtml writes. */
const readReferences = (html: string) => html.replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))

describe('escaping', () => {
  test('leaves nothing that HTML could read, and loses nothing that can be shown', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const html = escapeHtml(text)
        expect(html).not.toMatch(/[<>"']|&(?!#\d+;)/)
        fc.pre(!/[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u.test(text))
        expect(readReferences(html)).toBe(text)
      }),
    )
  })
  test('half characters, NUL and direction overrides become U+FFFD', () => {
    expect(escapeHtml('a\ud800b\0c\u202ed\n')).toBe('a\ufffdb\ufffdc\ufffdd\n')
  })
  test('no text of an article adds an element to the page', async () => {
    const tags = (html: string) =>
      html
        .replace(/<style>.*?<\/style>/s, '')
        .match(/<[^>]*>/g)
        ?.map((tag) => tag.split(/[\s>]/)[0])
    const file = await picture('small.png', 8, 8)
    const plain = tags(await renderHtml(articleOf('x', imageOf(file)), model))
    const pieces = ['</p>', '<script>alert(1)</script>', '"', "'", ' onerror=x ', '<!--', ']]>', '&lt;', '</style>', 'x']
    const texts = fc.array(fc.constantFrom(...pieces), { minLength: 1 }).map((a) => `x${a.join('')}`)
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        expect(tags(await renderHtml(articleOf(text, imageOf(file, text, text)), { model: text }))).toEqual(plain)
      }),
      { numRuns: 30 },
    )
  })
})

describe('the page', () => {
  test('is one file: pictures are data, no scripts, a policy, the language and the model', async () => {
    const html = await renderHtml(articleOf('河岸', imageOf(await picture('wide.jpg', 3000, 1500)), 'zh'), model)
    expect(html).toMatch(/^<!doctype html>\n<html lang="zh-Hans">/)
    expect(html).toContain("default-src 'none'; img-src data:; style-src 'sha256-")
    expect(html).not.toMatch(/<script|<link|https?:|style="/)
    expect(html).toMatch(/<footer>.*nano.*<\/footer>/s)
    expect(html).toContain('<figcaption>A lake<span class="credit">图片来源：me</span></figcaption>')
    expect(html).toMatch(/src="data:image\/webp;base64,[\w+/=]+" alt="A lake" width="1440" height="720"/)
  })
  test.each([
    ['tiny.png', 64, 48, 128, 96, 'small'],
    ['icon.png', 128, 128, 256, 256, 'small'],
    ['medium.png', 500, 300, 500, 300, 'column'],
    ['tall.webp', 400, 900, 400, 900, 'tall'],
  ])('%s of %i x %i is shown at %i x %i', async (name, width, height, shownWidth, shownHeight, shape) => {
    const html = await renderHtml(articleOf('x', imageOf(await picture(name, width, height))), model)
    expect(html).toContain(`<figure class="${shape}">`)
    expect(html).toContain(`width="${shownWidth}" height="${shownHeight}"`)
    const data = /base64,([^"]+)/.exec(html)?.[1] ?? ''
    expect(await sharp(Buffer.from(data, 'base64')).metadata()).toMatchObject({ width, height })
  })
  test('a picture turned by EXIF is shown upright', async () => {
    const file = path.join(dir, 'turned.jpg')
    await sharp({ create: { width: 400, height: 200, channels: 3, background: '#357' } })
      .withMetadata({ orientation: 6 })
      .toFile(file)
    expect(await renderHtml(articleOf('x', imageOf(file)), model)).toContain('width="200" height="400"')
  })
  test('pictures that are gone, or no pictures any more, are left out and counted', async () => {
    const svg = path.join(dir, 'evil.png')
    writeFileSync(svg, '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    for (const file of [path.join(dir, 'gone.png'), svg, dir]) {
      const html = await renderHtml(articleOf('x', imageOf(file)), model)
      expect(html).not.toContain('<figure')
      expect(html).toContain('One picture could not be read')
    }
  })
})

describe('writing', () => {
  test('replaces a page whole and leaves no temporary file', () => {
    const file = path.join(dir, 'out', '..', 'page.html')
    writeArticle(path.join(dir, 'page.html'), 'old')
    writeArticle(path.join(dir, 'page.html'), '新')
    expect(readFileSync(path.normalize(file), 'utf8')).toBe('新')
    expect(readdirSync(dir).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })
  test('into a folder that does not exist is refused', () => {
    const file = path.join(dir, 'no', 'page.html')
    expect(() => writeArticle(file, 'x')).toThrow(InputError)
    expect(existsSync(path.join(dir, 'no'))).toBe(false)
  })
})
