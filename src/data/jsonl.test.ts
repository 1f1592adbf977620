/** Files of JSON records, however they are laid out, and files that are none. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { readJsonRecords } from './jsonl.js'
import { Mistakes, MistakesError } from './mistakes.js'

const dir = mkdtempSync(join(tmpdir(), 'jsonl-'))
const file = join(dir, 'records')
afterAll(() => rmSync(dir, { recursive: true }))

function read(content: string | Uint8Array) {
  writeFileSync(file, content)
  const mistakes = new Mistakes(file)
  const records = readJsonRecords(file, mistakes)
  mistakes.stop()
  return records
}

it('gives the same records of an array, however it is laid out, and of lines, each with its line', () => {
  const layout = fc.record({ values: fc.array(fc.jsonValue(), { minLength: 1 }), spaces: fc.nat(3), crlf: fc.boolean() })
  fc.assert(
    fc.property(layout, ({ values, spaces, crlf }) => {
      const end = crlf ? '\r\n' : '\n'
      const lines = values.map((value) => JSON.stringify(value))
      // Lines that begin with "[" read as an array: only objects are records.
      const objects = lines.map((line) => `{"a":${line}}`)
      const texts = objects.map((text) => text + end.repeat(1 + spaces))
      const read1 = read(`\uFEFF${texts.join('')}`)
      const parsed = objects.map((text) => JSON.parse(text) as unknown)
      expect(read1.map(({ value }) => value)).toEqual(parsed)
      expect(read1.map((r) => r.where())).toEqual(objects.map((_, i) => `record ${i} (line ${i * (1 + spaces) + 1})`))
      const pretty = JSON.stringify(parsed, null, spaces)
      const array = read(pretty)
      expect(array.map(({ value }) => value)).toEqual(parsed)
      let from = 1
      array.forEach((record, i) => {
        const line = Number(/line (\d+)/.exec(record.where())?.[1])
        // The record's own text stands on the line that it names.
        const rest = pretty
          .split('\n')
          .slice(line - 1)
          .join('\n')
        if (spaces > 0)
          expect(rest.trimStart().startsWith(JSON.stringify(parsed[i], null, spaces).split('\n')[0] as string)).toBe(true)
        expect(line).toBeGreaterThanOrEqual(from)
        from = spaces > 0 ? line + 1 : line
      })
    }),
    { numRuns: 60 },
  )
})

it('shows the first ten mistakes with their places, and counts all', () => {
  const lines = Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? '{}' : '{"a":'))
  try {
    read(lines.join('\n'))
    expect.unreachable()
  } catch (error) {
    if (!(error instanceof MistakesError)) throw error
    expect(error.lines).toHaveLength(11)
    expect(error.lines[0]).toBe(`${file}: 15 mistakes, the first 10:`)
    expect(error.lines[10]).toMatch(/^ {2}record 19 \(line 20\): not JSON \(.*\); expected a JSON array, or one record a line$/)
  }
  expect(() => read('{}\n{"a":')).toThrow(`${file}: record 1 (line 2): not JSON`)
})

describe('names what is no file of records:', () => {
  it.each<[string, string | Uint8Array, RegExp]>([
    ['a broken array', '[{"id": 1},\n{"id": 2}\n{}]', /line 3: not JSON/],
    ['an array that ends early', '[{"id": 1},\n', /line [12]: not JSON/],
    ['Parquet', Buffer.from('PAR1\u0000\u0001'), /a Parquet file, expected JSON records; convert it/],
    ['tar', Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\u000000')]), /a tar archive \(WebDataset\?\)/],
    ['gzip', Buffer.of(0x1f, 0x8b, 8, 0), /a gzip file/],
    ['ZIP', Buffer.of(0x50, 0x4b, 3, 4), /a ZIP archive/],
    ['a pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /Git LFS pointer/],
    ['CSV', 'image,question,answer\na.png,What?,red\n', /: CSV, expected a JSON array/],
    ['TSV', 'index\tquestion\n1\tWhat?\n', /tab-separated values/],
    ['a page', '<!doctype html><p>', /HTML or XML/],
    ['one object', '{\n"images": [],\n"annotations": []\n}', /one JSON object \(with images, annotations\)/],
    ['other bytes', Buffer.from([0xff, 0xfe, 0x41, 0]), /not valid UTF-8/],
  ])('%s', (_, content, message) => {
    expect(() => read(content)).toThrow(InputError)
    expect(() => read(content)).toThrow(message)
    expect(() => read(content)).toThrow(file)
  })

  it('a folder, or nothing', () => {
    expect(() => readJsonRecords(dir, new Mistakes(dir))).toThrow(/not a regular file/)
    expect(() => readJsonRecords(join(dir, 'none'), new Mistakes('none'))).toThrow(/cannot be read \(ENOENT\)/)
  })
})
