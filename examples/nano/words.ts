// Pictures of short words and numbers: reading. One font is kept for the evaluation only.
import type { DrawnQuestion, Generator } from '../../src/data/drawn.js'
import { cellsOf } from './cells.js'
import { background, type Context, css, family, heldOutFont, type Rgb, rgbImage, savePng, sheet, wordFonts } from './drawing.js'
import { ask, type Colour, palette } from './questions.js'
import { type Random, random } from './random.js'
import { type EvalRecord, type Qa, writeJsonl } from './records.js'
import { asked, either } from './samples.js'
import type { WordNet } from './wordnet.js'

const size = 64
const luminance = (rgb: readonly number[]): number => 0.3 * (rgb[0] ?? 0) + 0.59 * (rgb[1] ?? 0) + 0.11 * (rgb[2] ?? 0)

/** Everyday words of one to seven letters. */
export function wordList(wordnet: WordNet, names: readonly string[]): string[] {
  const words = [...names.flatMap((name) => name.split(/[^a-z]+/)), ...wordnet.common().map((g) => g.lemma)]
  return [...new Set(words.filter((word) => /^[a-z]{2,7}$/.test(word)))].sort()
}

/** Text for one picture: a word in one of three cases, or a number; three quarters are words. */
export function someText(words: readonly string[], rng: Random): string {
  if (rng.chance(0.25)) return String(rng.int(0, rng.pick([9, 99, 999, 9999])))
  const word = rng.pick(words)
  return rng.pick([word, word, word.toUpperCase(), word.charAt(0).toUpperCase() + word.slice(1)])
}

/** A text as it stands on the sheet. */
interface Written {
  readonly context: Context
  readonly ink: Colour
  /** Where each character begins and the last one ends, in pixels. */
  readonly edges: readonly number[]
  readonly top: number
  readonly bottom: number
}

function drawText(text: string, font: string, rng: Random): Written {
  const context = sheet(size)
  let ink = rng.pick(palette)
  let paper: Rgb = [255, 255, 255]
  do {
    ink = rng.pick(palette)
    paper = rng.chance(0.5)
      ? [rng.int(225, 255), rng.int(225, 255), rng.int(225, 255)]
      : [rng.int(0, 255), rng.int(0, 255), rng.int(0, 255)]
  } while (Math.abs(luminance(ink.rgb) - luminance(paper)) < 90)
  background(context, size, paper, rng)
  // Measured in one weight and written in another at times: the evaluation's pictures were drawn so, and stay as they are.
  const face = (pixels: number) => `${pixels}px "${family(font, rng.chance(0.6) ? '700' : '400')}"`
  context.font = face(20)
  const widest = context.measureText(text).width / 20
  // The largest size that fits 58 pixels, and a random one below it, but never under ten pixels unless it has to be.
  const most = Math.min(40, 58 / Math.max(widest, 0.1))
  const pixels = Math.min(most, Math.max(12, most * (0.6 + 0.4 * rng.next())))
  context.font = face(pixels)
  const measured = context.measureText(text)
  const width = measured.width
  const ascent = measured.actualBoundingBoxAscent
  const descent = measured.actualBoundingBoxDescent
  context.fillStyle = css(ink.rgb)
  context.textBaseline = 'alphabetic'
  const x = 2 + rng.next() * Math.max(0, size - 4 - width)
  const y = 2 + ascent + rng.next() * Math.max(0, size - 4 - ascent - descent)
  context.fillText(text, x, y)
  const edges = Array.from({ length: text.length + 1 }, (_, i) => x + context.measureText(text.slice(0, i)).width)
  return { context, ink, edges, top: y - ascent, bottom: y + descent }
}

/** The lower-case character at the centre of each patch; a text so low that it meets no centre counts for the row of its middle. */
export function textCells(text: string, { edges, top, bottom }: Pick<Written, 'edges' | 'top' | 'bottom'>): string[] {
  const middle = Math.floor((top + bottom) / 16) * 8 + 4
  const meets = Math.ceil((top - 4) / 8) * 8 + 4 < bottom
  return cellsOf((x, y) => {
    if (meets ? y < top || y >= bottom : y !== middle) return undefined
    const i = edges.findIndex((edge, k) => x >= edge && x < (edges[k + 1] ?? edge))
    return text[i]?.toLowerCase()
  })
}

const characters = [...'abcdefghijklmnopqrstuvwxyz0123456789']

/** Words and numbers in the training fonts, which must be registered. */
export function drawnWords(words: readonly string[]): Generator {
  return {
    labels: { cells: characters },
    draw(seed, number) {
      const rng = random(`words-${seed}-${number}`)
      const text = someText(words, rng)
      const written = drawText(text, rng.pick(wordFonts), rng)
      const read = (list: readonly string[]): DrawnQuestion => ({
        question: list[rng.chance(0.75) ? 0 : 1]!,
        answer: text,
        spelled: true,
      })
      const questions = [read(ask.read.en), read(ask.read.zh)]
      const also = (question: { en: readonly [string]; zh: readonly [string] }, en: string, zh: string): void => {
        const both: [Qa, Qa] = [
          { q: question.en[0], a: en },
          { q: question.zh[0], a: zh },
        ]
        if (rng.chance(1 / 3)) questions.push(...asked([either(both, rng)]))
      }
      also(ask.inkColour, written.ink.en, written.ink.zh)
      also(ask.letters, String(text.length), String(text.length))
      return { image: rgbImage(written.context, size), questions, labels: { cells: textCells(text, written) }, keepColour: true }
    },
  }
}

/** Reading in the held-out font. */
export function evaluateWords(words: readonly string[], count = 300): void {
  const rng = random('evaluate-ocr')
  const records: EvalRecord[] = []
  for (let i = 0; i < count; i++) {
    const text = someText(words, rng)
    const image = `img/ocr/w${i}.png`
    savePng(drawText(text, heldOutFont, rng).context, size, `eval/${image}`)
    records.push({
      id: `ocr${i}`,
      task: 'ocr',
      images: [image],
      question: i % 2 === 0 ? ask.read.en[0] : ask.read.zh[0],
      answers: [text],
      scorer: 'exact',
    })
  }
  writeJsonl('eval/ocr.jsonl', records)
}
