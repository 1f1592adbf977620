// Pictures of short words and numbers: reading. One font is kept for the evaluation only.
import { background, css, drawing, heldOutFont, type Rgb, savePng, wordFonts } from './drawing.js'
import { ask, palette } from './questions.js'
import { type Random, random } from './random.js'
import { type DialogueRecord, dialogue, type EvalRecord, type Qa, writeJsonl } from './records.js'
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

function drawText(text: string, font: string, path: string, rng: Random): { ink: (typeof palette)[number] } {
  const context = drawing(size)
  let ink = rng.pick(palette)
  let paper: Rgb = [255, 255, 255]
  do {
    ink = rng.pick(palette)
    paper = rng.chance(0.5)
      ? [rng.int(225, 255), rng.int(225, 255), rng.int(225, 255)]
      : [rng.int(0, 255), rng.int(0, 255), rng.int(0, 255)]
  } while (Math.abs(luminance(ink.rgb) - luminance(paper)) < 90)
  background(context, size, paper, rng)
  const face = (pixels: number) => `${pixels}px "${font}-${rng.chance(0.6) ? '700' : '400'}"`
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
  savePng(context, size, path)
  return { ink }
}

/** Reading for pre-training. */
export function makeWords(wordnet: WordNet, names: readonly string[], count = 12000): void {
  const rng = random('ocr')
  const words = wordList(wordnet, names)
  const records: DialogueRecord[] = []
  for (let i = 0; i < count; i++) {
    const text = someText(words, rng)
    const path = `img/ocr/w${i}.png`
    const { ink } = drawText(text, rng.pick(wordFonts), `pretrain/${path}`, rng)
    const turns: Qa[] = [
      rng.chance(0.5)
        ? { q: ask.read.en[rng.chance(0.75) ? 0 : 1], a: text }
        : { q: ask.read.zh[rng.chance(0.75) ? 0 : 1], a: text },
    ]
    if (rng.chance(0.3))
      turns.push(rng.chance(0.5) ? { q: ask.inkColour.en[0], a: ink.en } : { q: ask.inkColour.zh[0], a: ink.zh })
    if (rng.chance(0.15))
      turns.push(
        rng.chance(0.5) ? { q: ask.letters.en[0], a: String(text.length) } : { q: ask.letters.zh[0], a: String(text.length) },
      )
    records.push(dialogue(`ocr${i}`, turns, [path]))
  }
  writeJsonl('pretrain/ocr.jsonl', records)
}

/** Reading in the held-out font. */
export function evaluateWords(wordnet: WordNet, names: readonly string[], count = 300): void {
  const rng = random('evaluate-ocr')
  const words = wordList(wordnet, names)
  const records: EvalRecord[] = []
  for (let i = 0; i < count; i++) {
    const text = someText(words, rng)
    const image = `img/ocr/w${i}.png`
    drawText(text, heldOutFont, `eval/${image}`, rng)
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
