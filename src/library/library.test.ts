import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { png } from '../../tests/support/png.js'
import { InputError } from '../common/errors.js'
import { type LibraryItem, libraryOf, openLibrary } from './library.js'
import { stem, tokens } from './tokens.js'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'library-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

let shade = 0
const image = (name: string, width = 4) =>
  sharp({ create: { width, height: 4, channels: 3, background: { r: shade++ % 256, g: shade >> 8, b: 0 } } }).toFile(
    path.join(dir, name),
  )

const named = (...names: string[]) =>
  libraryOf(
    '/',
    names.map((name, i): LibraryItem => ({ id: String(i), file: `/${i}.png`, name: { en: name }, captions: {} })),
  )
const found = (names: string[], query: string, k = 9) =>
  named(...names)
    .search(query, k)
    .map(({ item }) => item.name.en)

describe('openLibrary', () => {
  test('names pictures by their files, in the order of their paths, in sub-folders too', async () => {
    mkdirSync(path.join(dir, 'sub'))
    for (const name of ['river-bank_02.png', '樱花.jpg', '🌸 cat.webp', 'sub/a.gif']) await image(name)
    writeFileSync(path.join(dir, 'notes.txt'), 'x')
    const library = await openLibrary(dir)
    expect(library.items.map(({ name }) => name.en ?? name.zh)).toEqual(['river bank 02', 'a', '樱花', '🌸 cat'])
    expect(library.items.every(({ id, file }) => /^[0-9a-f]{32}$/.test(id) && path.isAbsolute(file))).toBe(true)
    expect(library.warnings).toEqual([])
  })

  test('takes names, captions and credits from library.json, and file names for the rest', async () => {
    for (const name of ['a.png', 'b.png', 'c.png']) await image(name)
    const labels = [
      { file: 'a.png', name: { en: 'Harbour', zh: '港口' }, caption: { en: 'boats at dusk' }, credit: 'Ann' },
      { file: './b.png', name: '钟楼', other: 1 },
      { file: 'missing.png', name: 'x' },
    ]
    writeFileSync(path.join(dir, 'library.json'), `\uFEFF${JSON.stringify(labels)}`)
    const library = await openLibrary(dir)
    expect(library.items.map(({ name }) => name)).toEqual([{ en: 'Harbour', zh: '港口' }, { zh: '钟楼' }, { en: 'c' }])
    expect(library.items[0]).toMatchObject({ captions: { en: 'boats at dusk' }, credit: 'Ann' })
    expect(library.warnings).toEqual(['missing.png: is missing; left out'])
    expect(library.search('dusk', 4)[0]?.item.name.en).toBe('Harbour')
    expect(library.search('旧港口', 4)[0]?.item.name.en).toBe('Harbour')
  })

  test('stays inside the folder: links, absolute paths and ".." that lead out are left out', async () => {
    await image('in.png')
    const inner = path.join(dir, 'inner')
    mkdirSync(inner)
    await image('inner/ok.png')
    symlinkSync(path.join(dir, 'in.png'), path.join(inner, 'link.png'))
    symlinkSync('ok.png', path.join(inner, 'same.png'))
    symlinkSync(dir, path.join(inner, 'up'))
    const outside = ['../in.png', path.join(dir, 'in.png')].map((file) => ({ file }))
    writeFileSync(path.join(inner, 'library.json'), JSON.stringify(outside))
    const library = await openLibrary(inner)
    expect(library.items.map(({ file }) => path.basename(file))).toEqual(['ok.png'])
    expect(library.warnings.filter((line) => line.includes('leads out of the folder'))).toHaveLength(3)
  })

  test('leaves out what is no picture, with one warning each', async () => {
    await image('good.png')
    writeFileSync(path.join(dir, 'empty.png'), '')
    const whole = await sharp({ create: { width: 300, height: 300, channels: 3, background: '#a41' } })
      .jpeg()
      .toBuffer()
    writeFileSync(path.join(dir, 'cut.jpg'), whole.subarray(0, whole.length / 2))
    writeFileSync(path.join(dir, 'cut copy.jpg'), whole.subarray(0, whole.length / 2))
    writeFileSync(path.join(dir, 'phone.heic'), Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'))
    writeFileSync(path.join(dir, 'page.png'), '<html></html>')
    writeFileSync(path.join(dir, 'drawing.png'), '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    symlinkSync('nowhere.png', path.join(dir, 'broken.png'))
    const library = await openLibrary(dir)
    expect(library.items).toHaveLength(1)
    expect(library.warnings).toHaveLength(7)
    for (const name of ['cut.jpg', 'cut copy.jpg']) {
      expect(library.warnings.join('\n')).toMatch(new RegExp(`^${name}: cannot be decoded \\(.*; left out$`, 'm'))
    }
    expect(library.warnings.join('\n')).toMatch(/^phone\.heic: a HEIC photo, which is not read here; convert it to JPEG/m)
    expect(library.warnings.join('\n')).toMatch(/drawing\.png: .*an SVG drawing, which is not read here/)
    expect(library.warnings.join('\n')).toMatch(/page\.png: .*a web page or XML/)
  })

  test('leaves out what is cut of a folder too large to be decoded whole', async () => {
    for (let i = 0; i < 1001; i++)
      writeFileSync(path.join(dir, `${i}.png`), png(1, 1, 8, 2, Uint8Array.of(0, 1, i >> 8, i % 256)))
    const cut = await sharp({ create: { width: 90, height: 90, channels: 3, background: '#a41' } })
      .jpeg()
      .toBuffer()
    writeFileSync(path.join(dir, 'cut.jpg'), cut.subarray(0, cut.length - 2))
    writeFileSync(path.join(dir, 'huge.png'), png(70_000, 1, 8, 0, new Uint8Array(70_001)))
    const library = await openLibrary(dir)
    expect(library.items).toHaveLength(1001)
    expect(library.warnings).toEqual([
      expect.stringMatching(/^cut\.jpg: cannot be decoded/),
      expect.stringMatching(/^huge\.png: 70000x1 pixels, at most/),
    ])
  })

  test('tells how far it is, and stops when told to', async () => {
    for (let i = 0; i < 20; i++) await image(`${i}.png`)
    const seen: number[] = []
    await openLibrary(dir, { onProgress: (done, total) => seen.push(done / total) })
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => (i + 1) / 20))
    const stop = new AbortController()
    await expect(openLibrary(dir, { signal: stop.signal, onProgress: () => stop.abort() })).rejects.toThrow(/abort/i)
  })

  test('counts 1,000 copies once, keeping the copy that has a name', async () => {
    await image('zz.png')
    for (let i = 0; i < 999; i++) await copyFile(path.join(dir, 'zz.png'), path.join(dir, `copy ${i}.png`))
    writeFileSync(path.join(dir, 'library.json'), JSON.stringify([{ file: 'zz.png', name: 'Lake' }]))
    const library = await openLibrary(dir)
    expect(library.items.map(({ name }) => name.en)).toEqual(['Lake'])
    expect(library.warnings).toEqual(['999 files with the same bytes as another; left out'])
  })

  test.each([
    ['{', /JSON/],
    ['{}', /expected \[/],
    ['[{"name": "x"}]', /0\.file/],
    ['[{"file": "a", "name": 3}]', /0\.name/],
  ])('library.json %j is refused', async (text, message) => {
    writeFileSync(path.join(dir, 'library.json'), text)
    await expect(openLibrary(dir)).rejects.toThrow(InputError)
    await expect(openLibrary(dir)).rejects.toThrow(message)
  })

  test('an empty folder is an empty library; no folder is an error', async () => {
    expect((await openLibrary(dir)).items).toEqual([])
    await expect(openLibrary(path.join(dir, 'no'))).rejects.toThrow(InputError)
    writeFileSync(path.join(dir, 'file'), '')
    await expect(openLibrary(path.join(dir, 'file'))).rejects.toThrow(/got a file/)
  })
})

describe('search', () => {
  test.each([
    ['Two lakes', ['a lake at dawn', 'lakeside', 'box']],
    ['the BOXES', ['a lake at dawn', 'box', 'lakes']],
    ['cherry blossoms', ['cherries', 'a lake', 'blossom in spring']],
  ])('%j finds words in other forms, and only those', (query, names) => {
    const results = found(names, query)
    const wanted =
      query === 'Two lakes' ? ['a lake at dawn'] : query === 'the BOXES' ? ['box'] : ['cherries', 'blossom in spring']
    expect(results).toEqual(wanted)
  })
  test('finds Chinese without spaces, pairs before single characters', () => {
    expect(found(['海岸', '河岸的灯光', '盛开的樱花'], '灯光点亮了河岸')).toEqual(['河岸的灯光', '海岸'])
  })
  test('rare words count more than common ones, and more matches more than fewer', () => {
    expect(found(['red circle', 'red square', 'red triangle'], 'a red square')[0]).toBe('red square')
  })
  test('ties keep the order of the library; k and exclude are kept', () => {
    const library = named('cat', 'cat', 'cat')
    expect(library.search('cat', 2).map(({ item }) => item.id)).toEqual(['0', '1'])
    expect(library.search('cat', 2, new Set(['0'])).map(({ item }) => item.id)).toEqual(['1', '2'])
    expect(library.search('cat', 0)).toEqual([])
    expect(library.search('', 3)).toEqual([])
  })
  test('every picture is found first by its own name, when no other has the same words', () => {
    const word = fc.constantFrom('red', 'boat', 'lake', 'night', '河岸', '樱花', '钟楼', '灯光')
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc.uniqueArray(word, { minLength: 1, maxLength: 3 }).map((w) => w.sort().join(' ')),
          { minLength: 1 },
        ),
        (names) => {
          const library = named(...names)
          for (const [i, name] of names.entries()) {
            const results = library.search(name, names.length)
            const own = results.find(({ item }) => item.id === String(i))
            expect(own).toBeDefined()
            expect(results.every(({ score }) => score > 0)).toBe(true)
          }
        },
      ),
    )
  })
  test('any text can be searched for', () => {
    const library = named('cat', '河岸')
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => library.search(text, 4).length <= 2))
  })
})

describe('tokens', () => {
  test.each([
    ['lakes', 'lake'],
    ['boxes', 'box'],
    ['dishes', 'dish'],
    ['houses', 'house'],
    ['cherries', 'cherry'],
    ['ties', 'tie'],
    ['glass', 'glass'],
    ['bus', 'bus'],
    ['gas', 'gas'],
    ['glasses', 'glass'],
    ['horses', 'horse'],
  ])('%s -> %s', (word, singular) => {
    expect(stem(word)).toBe(singular)
  })
  test('full width letters, accents and case fold; emoji are no words', () => {
    expect(tokens('Ｃａｔｓ Café🌸').map(({ text }) => text)).toEqual(['cat', 'café'])
  })
})
