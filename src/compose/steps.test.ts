import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InputError } from '../common/errors.js'
import { parseCaption } from './caption.js'
import { editPrompt, parseEdit } from './edit.js'
import { evenLocations, locatePrompt, parseLocations } from './locate.js'
import { fillParts, imagePart, renderPrompt, textPart } from './prompt.js'
import { searchQuery } from './retrieve.js'
import { headingText, sectionKinds, sections, splitLines } from './sections.js'
import { parseSelection, selectPrompt } from './select.js'
import { instruction } from './write.js'

/** Texts made of what the parsers look for, so that random ones hit the interesting cases. */
const replies = fc
  .array(fc.oneof(fc.constantFrom('<Seg', '>', '1', '07', '99', '，', '"', '\n', ' ', 'A', 'D', '{text}'), fc.string()))
  .map((a) => a.join(''))

describe('sections', () => {
  test('there are at most 60, none empty, none with a newline or leading white space', () => {
    fc.assert(
      fc.property(replies, (article) => {
        const lines = sections(article)
        expect(lines.length).toBeLessThanOrEqual(60)
        for (const line of lines) expect(line).toMatch(/^\S[^\n]*$/)
      }),
    )
  })
  test('white space aside, no text is lost or added before the 60th', () => {
    fc.assert(
      fc.property(replies, (article) => {
        expect(splitLines(article).join('').replace(/\s/g, '')).toBe(article.replace(/\s/g, ''))
      }),
    )
  })
  test('splitting what was split changes nothing', () => {
    fc.assert(
      fc.property(replies, (article) => {
        const lines = splitLines(article)
        const refine = splitLines(lines.join('\n'))
        expect(refine.map((line) => line.trimEnd())).toEqual(lines.map((line) => line.trimEnd()))
      }),
    )
  })
  test.each([
    [
      ['Harbour Lights', 'Evening falls.', 'The end.'],
      ['title', 'paragraph', 'paragraph'],
    ],
    [
      ['《河岸》', '夜幕降临。', '灯光', '第一站是钟楼。'],
      ['title', 'paragraph', 'heading', 'paragraph'],
    ],
    [
      ['Evening falls.', '## Food', 'Local food.'],
      ['paragraph', 'heading', 'paragraph'],
    ],
    [['only one line without an end'], ['paragraph']],
    [[], []],
  ])('%j are %j', (lines, kinds) => {
    expect(sectionKinds(lines)).toEqual(kinds)
  })
  test.each([
    ['## Food ', 'Food'],
    ['《河岸》', '河岸'],
    ['标题：河岸', '河岸'],
    ['Title: "Harbour"', 'Harbour'],
  ])('the heading of %j is %j', (line, text) => {
    expect(headingText(line)).toBe(text)
  })
})

describe('locations', () => {
  test('are distinct section numbers that the reply spells', () => {
    fc.assert(
      fc.property(replies, fc.nat(70), (reply, count) => {
        const found = parseLocations(reply, count)
        expect(new Set(found).size).toBe(found.length)
        for (const location of found) {
          expect(location).toBeLessThan(count)
          expect(reply).toMatch(new RegExp(`<Seg0*${location}>`))
        }
      }),
    )
  })
  test('keep their order; empty, doubled and far ones are skipped', () => {
    expect(parseLocations('<Seg3>，<Seg>, <Seg1> <Seg3> <Seg4> <Seg99999999999999999999> <Seg-1>', 4)).toEqual([3, 1])
  })
  test('spread evenly: distinct, ascending, as many as asked for or there are', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), (length, count) => {
        const allowed = Array.from({ length }, (_, i) => i)
        const found = evenLocations(allowed, count)
        expect(found).toHaveLength(Math.min(length, count))
        found.forEach((x, i) => {
          if (i > 0) expect(x).toBeGreaterThan(found[i - 1] ?? -1)
        })
      }),
    )
  })
  test('two of ten lie at a quarter and three quarters', () => {
    expect(evenLocations([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 2)).toEqual([2, 7])
  })
})

describe('captions, queries and letters', () => {
  test('a caption never holds a quote or outer space', () => {
    fc.assert(
      fc.property(replies, (reply) => {
        expect(parseCaption(reply)).toMatch(/^(?:[^"\s](?:[^"]*[^"\s])?)?$/)
      }),
    )
  })
  test('a query has at most 53 characters and cuts no emoji in half', () => {
    expect([...searchQuery('🌸'.repeat(80))]).toEqual(Array(53).fill('🌸'))
    expect(searchQuery('  a lake ')).toBe('a lake')
  })
  test.each([
    ['A', 4, 0],
    [' D.', 4, 3],
    ['\nC', 4, 2],
    ['D', 3, 0],
    ['E', 4, 0],
    ['选B', 4, 0],
    ['b', 4, 0],
    ['', 4, 0],
  ])('the reply %j to %i candidates means %i', (reply, count, index) => {
    expect(parseSelection(reply, count)).toBe(index)
  })
  test('any reply means a candidate that exists', () => {
    fc.assert(fc.property(replies, fc.integer({ min: 1, max: 4 }), (reply, n) => parseSelection(reply, n) < n))
  })
})

describe('prompts', () => {
  test('a value that spells a slot or an image tag stays text', () => {
    const lines = ['{count} <image>', '{sections} [UNUSED_TOKEN_145]']
    const { content } = locatePrompt(lines, 2)
    expect(content).toHaveLength(1)
    expect(content[0]).toMatchObject({ text: expect.stringContaining('<Seg0> {count} <image>\n<Seg1> {sections}') })
    const select = selectPrompt(lines, 1, [{ location: 0, file: 'x.png' }], ['<image>', 'b'])
    expect(select.content.filter(({ type }) => type === 'image')).toHaveLength(3)
  })
  test('filling puts parts where the slots stand and joins texts', () => {
    expect(fillParts('a{x}b{y}', { x: [imagePart('f')], y: 'c' })).toEqual([textPart('a'), imagePart('f'), textPart('bc')])
    expect(fillParts('{toString}', {})).toEqual([textPart('{toString}')])
  })
  test('the instruction is in the language of the article', () => {
    expect(instruction(' cats ', 'en')).toBe('Write a short illustrated article about cats.')
    expect(instruction('猫$&', 'zh')).toBe('写一篇关于猫$&的图文短文。')
    expect(() => instruction(' \n', 'en')).toThrow(InputError)
  })
  test('an insertion needs an outline, and missing neighbours are empty', () => {
    expect(() => editPrompt({ kind: 'insert_after', text: 'a', outline: ' ' })).toThrow(InputError)
    const prompt = renderPrompt(editPrompt({ kind: 'insert_before', text: 'a', outline: 'o' }))
    expect(prompt).toContain('第一段：\n第二段：a\n插入段的大纲：o[UNUSED_TOKEN_145]')
  })
  test('an edited paragraph is one line', () => {
    expect(parseEdit('a\nb')).toBe('a b')
  })
})
