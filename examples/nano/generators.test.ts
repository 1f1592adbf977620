// The samples that training draws: what is held out is never among them, labels say what the pixels show, and a sample is a pure
// function of its seed and number. Drawing needs the data packages; pictures of things need the rendered sprites besides.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DrawnSample, Generator } from '../../src/data/drawn.js'
import type { RasterImage } from '../../src/image/pixels.js'
import { boxText } from './boxes.js'
import { boxCells } from './cells.js'
import { extraStyles, heldOutVendor, unseenVendor } from './concepts.js'
import { attributeQuestions, attributes, pairHeldOut } from './countries.js'
import { heldOutFont, wordFonts } from './drawing.js'
import { generators } from './generators.js'
import { packagesInstalled, workRoot } from './paths.js'
import { palette } from './questions.js'
import { tableHeldOut } from './tables.js'
import { textCells } from './words.js'
import * as world from './world.js'

const reason = !packagesInstalled()
  ? 'the data packages are not installed (npm ci in examples/nano)'
  : !existsSync(join(workRoot, 'sprites', 'twemoji'))
    ? 'the sprites are not rendered (run the nano data recipe)'
    : undefined
if (reason) console.log(`checks on the drawn samples are skipped: ${reason}`)

const pixel = ({ width, data }: RasterImage, x: number, y: number): number[] => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
]
const centre = (cell: number): [number, number] => [(cell % 8) * 8 + 4, Math.floor(cell / 8) * 8 + 4]
const drawn = (sample: DrawnSample): RasterImage => sample.image as RasterImage
const samplesOf = (generator: Generator, count: number): DrawnSample[] =>
  Array.from({ length: count }, (_, n) => generator.draw(5, n))

describe('the grid of an image', () => {
  it('names a patch after the box that its centre lies in', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 24 }), (left, top, w, h) => {
        const cells = boxCells([{ name: 'dog', box: { left, top, right: left + w, bottom: top + h } }])
        expect(cells).toHaveLength(64)
        for (const [i, cell] of cells.entries()) {
          const [x, y] = centre(i)
          expect(cell).toBe(x >= left && x < left + w && y >= top && y < top + h ? 'dog' : '')
        }
      }),
    )
  })

  it('spells a text along its rows in lower case, one row where it meets the centre of none', () => {
    const edges = [0, 16, 32, 48]
    const row = 'a a b b c c '.split(' ').concat('')
    expect(textCells('AbC', { edges, top: 8, bottom: 24 }).slice(8, 24)).toEqual([...row, ...row])
    const low = textCells('AbC', { edges, top: 13, bottom: 19 })
    expect(low.slice(16, 24)).toEqual(row)
    expect(low.filter((cell) => cell !== '')).toHaveLength(6)
  })
})

describe('fonts', () => {
  it('are forty or more, none of them the held-out one or its near double', () => {
    expect(new Set(wordFonts).size).toBe(wordFonts.length)
    expect(wordFonts.length).toBeGreaterThanOrEqual(40)
    for (const font of wordFonts) expect(font.startsWith(heldOutFont)).toBe(false)
  })
})

describe.skipIf(reason !== undefined)(`the drawn samples${reason ? ` (${reason})` : ''}`, () => {
  const names = Object.keys(generators)
  const open = async (name: string): Promise<Generator> => generators[name]!()

  it('are pure functions of seed and number, whatever was drawn before', async () => {
    for (const name of names) {
      const generator = await open(name)
      const first = generator.draw(3, 7)
      samplesOf(generator, 5)
      expect(generator.draw(3, 7), name).toEqual(first)
      expect(generator.draw(4, 7), name).not.toEqual(first)
    }
  })

  it('have questions that differ, answers, and labels out of their lists', async () => {
    for (const name of names) {
      const generator = await open(name)
      const labelNames = new Set(generator.labels?.names)
      const words = new Set(generator.labels?.words)
      const cells = new Set(generator.labels?.cells)
      for (const { image, questions, labels } of samplesOf(generator, 150)) {
        expect(questions.length).toBeGreaterThan(0)
        expect(new Set(questions.map((q) => q.question)).size, name).toBe(questions.length)
        for (const { question, answer } of questions) expect(question.trim() !== '' && answer.trim() !== '', name).toBe(true)
        if (labels?.name !== undefined) expect(labelNames).toContain(labels.name)
        for (const word of labels?.words ?? []) expect(words).toContain(word)
        if (labels?.cells) expect(labels.cells).toHaveLength(64)
        for (const cell of labels?.cells ?? []) if (cell !== '') expect(cells).toContain(cell)
        if (typeof image === 'string') expect(existsSync(image), image).toBe(true)
        else if (image) expect([image.width, image.height, image.channels, image.data.length]).toEqual([64, 64, 3, 64 * 64 * 3])
      }
    }
  })

  it('never show a held-out style of a concept, nor a sibling of it, nor OpenMoji, nor bytes equal to a held-out picture', async () => {
    const held = new Map(world.concepts().map((c) => [c.icon, heldOutVendor(c.icon, c.vendors)]))
    const hash = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
    const hidden = new Set(
      (await world.things()).flatMap((t) => [t.heldOut, t.unseen]).flatMap((s) => (s ? [hash(join(workRoot, s.file))] : [])),
    )
    for (const name of ['things', 'wordy'])
      for (const { image } of samplesOf(await open(name), 4000)) {
        const path = String(image)
        const icon = basename(path, '.png').replace(/\.\d+$/, '')
        if (icon.startsWith('flag-') && !held.has(icon)) continue
        const vendor = basename(dirname(path))
        expect(held.has(icon), path).toBe(true)
        expect([unseenVendor, held.get(icon)], path).not.toContain(vendor)
        const family = (extraStyles as Record<string, string | undefined>)[vendor]
        if (family !== undefined) expect(family, path).not.toBe(held.get(icon))
        expect(hidden.has(hash(path)), path).toBe(false)
      }
    for (const { image } of samplesOf(await open('flags'), 1500)) expect(heldFlags(await world.flags())).not.toContain(image)
  })

  it('are scenes of training sprites alone', async () => {
    const guarded = (await world.things()).map(({ concept, training }) => ({
      concept,
      training,
      get extra(): never {
        throw new Error('an extra style was looked at')
      },
      get heldOut(): never {
        throw new Error('a held-out sprite was looked at')
      },
      get unseen(): never {
        throw new Error('an unseen sprite was looked at')
      },
    }))
    const { drawnCaptions, drawnCounting, drawnScenes } = await import('./scene-samples.js')
    for (const make of [drawnScenes, drawnCounting, drawnCaptions]) samplesOf(make(guarded), 300)
  })

  it('ask no held-out fact of a flag, nor tell one', async () => {
    const byName = new Map(world.countries().map((c) => [c.en, c]))
    let checked = 0
    for (const { questions, labels } of samplesOf(await open('flags'), 3000)) {
      const { code } = byName.get(labels!.name!)!
      for (const attribute of attributes.filter((a) => pairHeldOut(code, a)))
        for (const { question } of questions) {
          checked++
          expect([attributeQuestions[attribute].flagEn, attributeQuestions[attribute].flagZh]).not.toContain(question)
        }
    }
    expect(checked).toBeGreaterThan(3000)
    for (const { image, questions } of samplesOf(await open('wordy'), 2000)) {
      if (!questions[2]!.question.includes('Which country')) continue
      expect(image).toContain('/flag-')
      const country = byName.get(questions[2]!.answer)!
      for (const attribute of attributes.filter((a) => pairHeldOut(country.code, a) && country.facts[a]))
        for (const template of attributeQuestions[attribute].factEn)
          expect(questions[0]!.answer).not.toContain(
            template.replace('{c}', country.en).replace('{v}', country.facts[attribute]!.en),
          )
    }
  })

  it('are charts of tables that are not held out, their cells of the colour of the pixel', async () => {
    expect(world.trainingTables().length).toBeGreaterThan(500)
    expect(world.trainingTables().filter((table) => tableHeldOut(table.id))).toEqual([])
    let cells = 0
    let wrong = 0
    for (const sample of samplesOf(await open('charts'), 200))
      for (const [i, cell] of sample.labels!.cells!.entries()) {
        if (cell === '') continue
        cells++
        const rgb = palette.find((c) => c.en === cell)!.rgb
        if (pixel(drawn(sample), ...centre(i)).some((v, c) => Math.abs(v - rgb[c]!) > 2)) wrong++
      }
    expect(cells).toBeGreaterThan(2000)
    // Where two slices meet, pixels are mixtures.
    expect(wrong / cells).toBeLessThan(0.03)
  })

  it('are scenes whose boxes hold the cells of their things', async () => {
    let boxes = 0
    for (const { questions, labels } of samplesOf(await open('scenes'), 300))
      for (const { question, answer } of questions) {
        const name = /^(?:Where is|Find) the (.*?)[?.]$/.exec(question)?.[1]
        if (name === undefined) continue
        boxes++
        const [left = 0, top = 0, right = 0, bottom = 0] = (JSON.parse(answer) as number[]).map((v) => v * 64)
        expect(boxText({ left, top, right, bottom }, 64)).toBe(answer)
        const named = labels!.cells!.flatMap((cell, i) => (cell === name ? [centre(i)] : []))
        if (right - left > 9 && bottom - top > 9) expect(named.length, question).toBeGreaterThan(0)
        // Boxes are told in steps of two pixels.
        for (const [x, y] of named) expect(x > left - 2 && x < right + 2 && y > top - 2 && y < bottom + 2, question).toBe(true)
      }
    expect(boxes).toBeGreaterThan(100)
  })

  it('are words whose cells spell what is read, where something stands', async () => {
    for (const sample of samplesOf(await open('words'), 300)) {
      const reading = sample.questions.filter((q) => q.spelled)
      expect(reading).toHaveLength(2)
      const text = reading[0]!.answer.toLowerCase()
      const cells = sample.labels!.cells!
      expect(cells.some((cell) => cell !== '')).toBe(true)
      for (let row = 0; row < 8; row++) {
        // A narrow letter may lie between two centres, but the order stays.
        let at = 0
        for (const cell of cells.slice(row * 8, row * 8 + 8)) {
          if (cell === '') continue
          at = text.indexOf(cell, Math.max(0, at))
          expect(at, text).toBeGreaterThanOrEqual(0)
        }
      }
    }
  })
})

function heldFlags(flags: Awaited<ReturnType<typeof world.flags>>): string[] {
  return flags.map((flag) => join(workRoot, flag.heldOut.file))
}
