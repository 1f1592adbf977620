import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ImageSource, readImageSource } from './source.js'

const dir = mkdtempSync(join(tmpdir(), 'source-'))
const file = join(dir, 'a b.png')
const bytes = Uint8Array.from({ length: 300 }, (_, i) => i)
beforeAll(() => writeFileSync(file, bytes))
afterAll(() => rmSync(dir, { recursive: true }))

const base64 = `data:image/png;base64,${Buffer.from(bytes).toString('base64')}`

describe('an image source', () => {
  it.each<[string, () => ImageSource, string]>([
    ['a path', () => file, file],
    ['a file', () => ({ file }), file],
    ['a file: URL', () => pathToFileURL(file), file],
    ['a file: URL as a string', () => pathToFileURL(file).href, file],
    ['bytes', () => bytes, 'message 1, part 1'],
    ['bytes with a name', () => ({ bytes, name: 'red.png' }), 'red.png'],
    ['a data: URL', () => new URL(base64), 'message 1, part 1'],
    ['a data: URL as a string', () => base64, 'message 1, part 1'],
    ['a data: URL with escapes', () => base64.replaceAll('+', '%2B').replaceAll('/', '%2f'), 'message 1, part 1'],
  ])('may be %s', async (_, source, name) => {
    const read = await readImageSource(source(), 'message 1, part 1')
    expect(read.name).toBe(name)
    expect([...read.bytes]).toEqual([...bytes])
  })

  it('gives back any bytes that a data: URL holds, in base64 or percent-encoded', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), async (any) => {
        const escaped = [...any].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
        for (const url of [`data:;base64,${Buffer.from(any).toString('base64')}`, `data:image/gif,${escaped}`])
          expect([...(await readImageSource(url)).bytes]).toEqual([...any])
      }),
    )
  })

  it.each([
    [
      'https://example.com/cat.png',
      /^image: https:\/\/example\.com\/cat\.png is not fetched; download the image and pass the file$/,
    ],
    [new URL('http://example.com/cat.png'), /is not fetched; download/],
    ['data:image/png;base64', /^image: a data: URL without a comma/],
    ['data:image/png;base64,<html>', /^image: a data: URL that holds no base64/],
    ['nowhere.png', /^nowhere\.png: cannot be read \(ENOENT\)/],
    [{ path: 'a.png' }, /^image: expected a path, .* got an object with path$/],
    [{ file: 5 }, /^image: expected a path/],
    [null, /got null$/],
    [7, /got number$/],
  ] as [unknown, RegExp][])('%j is refused in one line', async (source, line) => {
    const reading = readImageSource(source as ImageSource)
    await expect(reading).rejects.toThrow(line)
    await expect(reading).rejects.toMatchObject({ code: 'invalid_image', exitCode: 2 })
  })
})
