/** Question files: what is read, and what is refused with its record. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { readQuestions } from './questions.js'

let root = ''
let file = ''
beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'questions-')))
  mkdirSync(join(root, 'set/images'), { recursive: true })
  file = join(root, 'set/QUESTIONS.jsonl')
  writeFileSync(join(root, 'set/images/a.png'), 'x')
  writeFileSync(join(root, 'secret.png'), 'x')
  symlinkSync(join(root, 'secret.png'), join(root, 'set/images/link.png'))
})
afterAll(() => rmSync(root, { recursive: true }))

const good = { id: 'q1', task: 'count', images: ['images/a.png'], question: 'How many?', answers: ['2'], scorer: 'exact' }
const write = (...lines: unknown[]) =>
  writeFileSync(file, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'))

describe('a question file', () => {
  it('is read with blank lines, CRLF and a byte order mark', () => {
    write(`\uFEFF${JSON.stringify(good)}\r`, '', { ...good, id: 'q2', answers: [3, [0.1, 0.2, 0.3, 0.4]], images: [] })
    const [first, second] = readQuestions(file)
    expect(first?.images).toEqual([join(root, 'set/images/a.png')])
    expect(second?.answers).toEqual(['3', '[0.1, 0.2, 0.3, 0.4]'])
  })

  it.each([
    ['broken JSON', '{"id":', /: record 1 \(line 2\): not JSON/],
    ['a missing field', { ...good, id: 'x', task: undefined }, /: record 1 \(line 2\): task/],
    ['an unknown field', { ...good, id: 'x', answer: 'y' }, /: record 1 \(line 2\): .*answer/],
    ['an unknown scorer', { ...good, id: 'x', scorer: 'vibes' }, /: record 1 \(line 2\): scorer/],
    ['no answers', { ...good, id: 'x', answers: [] }, /: record 1 \(line 2\): answers/],
    ['an id twice', good, /: record 1 \(line 2\): id: "q1" already stands in record 0 \(line 1\)/],
    [
      'an absolute image',
      { ...good, id: 'x', images: ['/etc/passwd'] },
      /: record 1 \(line 2\): image "\/etc\/passwd" lies outside/,
    ],
    ['a missing image', { ...good, id: 'x', images: ['images/b.png'] }, /: record 1 \(line 2\): image "images\/b.png" not found/],
    [
      'an image outside',
      { ...good, id: 'x', images: ['../secret.png'] },
      /: record 1 \(line 2\): image "..\/secret.png" lies outside/,
    ],
    [
      'a link to the outside',
      { ...good, id: 'x', images: ['images/link.png'] },
      /: record 1 \(line 2\): image "images\/link.png" is a link out/,
    ],
    [
      'a folder as image',
      { ...good, id: 'x', images: ['images'] },
      /: record 1 \(line 2\): image "images" is not a regular file/,
    ],
    ['a NUL in an image', { ...good, id: 'x', images: ['a\0b'] }, /: record 1 \(line 2\): image .* is not a path/],
    [
      'a box without an area',
      { ...good, id: 'x', scorer: 'box', answers: [[0.5, 0.5, 0.5, 0.9]] },
      /: record 1 \(line 2\): answers: "\[0.5, 0.5, 0.5, 0.9\]"/,
    ],
  ])('with %s is refused with its line', (_, line, message) => {
    write(good, line)
    expect(() => readQuestions(file)).toThrow(InputError)
    expect(() => readQuestions(file)).toThrow(message)
  })

  it('may say image or images, a path or a list, and number its questions', () => {
    const { images: _, ...rest } = good
    const a = join(root, 'set/images/a.png')
    const forms = [
      { images: ['images/a.png'] },
      { image: 'images/a.png' },
      { images: 'images/a.png' },
      { image: null },
      { images: '' },
      {},
    ]
    write(JSON.stringify(forms.map((form, id) => ({ ...rest, id, ...form }))))
    const read = readQuestions(file)
    expect(read.map(({ id }) => id)).toEqual(['0', '1', '2', '3', '4', '5'])
    expect(read.map(({ images }) => images)).toEqual([[a], [a], [a], [], [], []])
  })

  it('may have its images in another folder, and leaves out those that are missing where told to', () => {
    write({ ...good, images: ['a.png'] }, { ...good, id: 'q2', images: ['none.png'] })
    const imageFolder = join(root, 'set/images')
    const left: string[] = []
    const read = readQuestions(file, { imageFolder, onMissing: (where, message) => left.push(`${where}: ${message}`) })
    expect(read.map(({ id }) => id)).toEqual(['q1'])
    expect(left).toEqual([expect.stringMatching(/^record 1 \(line 2\): image "none\.png" not found/)])
    expect(() => readQuestions(file, { imageFolder: join(root, 'none') })).toThrow(/--images: no folder/)
  })

  it('with many mistakes shows ten and their number', () => {
    write(...Array.from({ length: 12 }, (_, i) => ({ ...good, id: i, scorer: 'vibes' })))
    expect(() => readQuestions(file)).toThrow(/12 mistakes, the first 10:\n {2}record 0 \(line 1\): scorer: /)
  })

  it('that is empty, missing or no text is refused', () => {
    write('')
    expect(() => readQuestions(file)).toThrow(/no questions/)
    expect(() => readQuestions(join(root, 'none.jsonl'))).toThrow(InputError)
    writeFileSync(file, Buffer.of(0xff, 0xfe, 0x00))
    expect(() => readQuestions(file)).toThrow(/UTF-8/)
  })
})
