// What one gets without a model: the answer of the nearest training picture with the same question (pixels squashed to
// 64x64 on white, squared distance), and the most frequent training answer to that question. The training pictures are the first
// samples of the generators that training draws from.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import type { RasterImage } from '../../src/image/pixels.js'
import { generators } from './generators.js'
import { workRoot, writeWhole } from './paths.js'
import type { EvalRecord } from './records.js'

const side = 64

async function pixelsOf(image: string | RasterImage): Promise<Uint8Array> {
  // Drawn pictures have the right size and no alpha.
  if (typeof image !== 'string') return image.data
  return sharp(image)
    .flatten({ background: '#ffffff' })
    .resize(side, side, { fit: 'fill' })
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer()
}

/** Sums of 4x4 blocks, [16 * 16 * 3]. */
export function blockSums(pixels: Uint8Array): Float32Array {
  const out = new Float32Array((side / 4) * (side / 4) * 3)
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      for (let c = 0; c < 3; c++) {
        const at = ((y >> 2) * (side / 4) + (x >> 2)) * 3 + c
        out[at] = out[at]! + pixels[(y * side + x) * 3 + c]!
      }
  return out
}

// Two copies of one loop: called with both array types, a single one would lose its fast machine code.
function squaredBlocks(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) {
    const d = a[i]! - b[i]!
    sum += d * d
  }
  return sum
}
function squaredPixels(a: Uint8Array, b: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) {
    const d = a[i]! - b[i]!
    sum += d * d
  }
  return sum
}

interface Seen {
  readonly pixels: Uint8Array
  readonly blocks: Float32Array
}

/**
 * Index of the picture with the smallest squared distance, the first on ties. Exact: sixteen pixels whose sums differ by s
 * are at least s * s / 16 apart (Cauchy-Schwarz), so most candidates are ruled out by their block sums alone.
 */
export function nearest(target: Seen, candidates: readonly Seen[]): number {
  const bounds = candidates
    .map((c, i) => ({ i, bound: squaredBlocks(target.blocks, c.blocks) / 16 }))
    .sort((a, b) => a.bound - b.bound || a.i - b.i)
  let best = Number.POSITIVE_INFINITY
  let at = -1
  for (const { i, bound } of bounds) {
    // Float32 sums are exact here (below 2^24); the slack only covers the division.
    if (bound > best + 1) break
    const candidate = candidates[i]
    if (!candidate) continue
    const d = squaredPixels(target.pixels, candidate.pixels)
    if (d < best || (d === best && i < at)) {
      best = d
      at = i
    }
  }
  return at
}

interface Example {
  readonly image: string | RasterImage
  readonly answer: string
}

/** The wording with names and boxes taken out, so that "Where is the cat?" matches "Where is the dog?". */
export function questionShape(question: string): string {
  return question
    .replace(/^Where is the .*\?$/, 'Where is the ?')
    .replace(/^.*在哪里？$/, '在哪里？')
    .replace(/^How many of the .* are there\?$/, 'How many of the are there?')
    .replace(/^有几个.*？$/, '有几个？')
    .replace(/^What is the value of the .* bar\?$/, 'What is the value of the bar?')
    .replace(/^.*柱子的值是多少？$/, '柱子的值是多少？')
}

function intersectionOverUnion(a: readonly number[], b: readonly number[]): number {
  const [ax = 0, ay = 0, au = 0, av = 0] = a
  const [bx = 0, by = 0, bu = 0, bv = 0] = b
  const inner = Math.max(0, Math.min(au, bu) - Math.max(ax, bx)) * Math.max(0, Math.min(av, bv) - Math.max(ay, by))
  const union = (au - ax) * (av - ay) + (bu - bx) * (bv - by) - inner
  return union > 0 ? inner / union : 0
}

/** Whether a baseline's answer counts; boxes count at an overlap of one half. */
export function accepted(record: EvalRecord, answer: string): boolean {
  if (record.scorer === 'box') {
    const numbers = (text: string) => text.replace(/[[\]]/g, '').split(',').map(Number)
    return record.answers.some((a) => intersectionOverUnion(numbers(a), numbers(answer)) >= 0.5)
  }
  const plain = (text: string) => text.trim().toLowerCase()
  return record.answers.some((a) => plain(a) === plain(answer))
}

const lines = <T>(file: string): T[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T)

// Enough that nearly every training sprite is among them, and as many drawn pictures as fit into memory.
const samples: Readonly<Record<string, number>> = {
  things: 30000,
  flags: 4000,
  words: 12000,
  scenes: 15000,
  counting: 8000,
  charts: 8000,
}

async function trainingExamples(): Promise<Map<string, Example[]>> {
  const examples = new Map<string, Example[]>()
  const known = new Set<string>()
  for (const [name, count] of Object.entries(samples)) {
    const generator = await generators[name]!()
    for (let n = 0; n < count; n++) {
      const { image, questions } = generator.draw(1, n)
      if (image === undefined) continue
      for (const { question, answer } of questions) {
        const shape = questionShape(question)
        // A sprite comes again and again; once is enough to search.
        if (typeof image === 'string') {
          const key = [image, shape, answer].join('\n')
          if (known.has(key)) continue
          known.add(key)
        }
        const list = examples.get(shape)
        if (list) list.push({ image, answer })
        else examples.set(shape, [{ image, answer }])
      }
    }
  }
  return examples
}

/** Writes work/eval/baselines.json: per task the number of questions and the two accuracies. */
export async function makeBaselines(): Promise<void> {
  const examples = await trainingExamples()
  const scores: Record<string, { questions: number; nearest: number; majority: number }> = {}
  const majorities = new Map<string, string>()
  for (const [question, list] of examples) {
    const counts = new Map<string, number>()
    for (const { answer } of list) counts.set(answer, (counts.get(answer) ?? 0) + 1)
    majorities.set(question, [...counts].sort((a, b) => b[1] - a[1])[0]![0])
  }
  const asked = new Map<string, { record: EvalRecord; file: string }[]>()
  for (const name of ['naming_known', 'naming_unseen', 'flags', 'ocr', 'pointing', 'counting', 'charts'])
    for (const record of lines<EvalRecord>(join(workRoot, 'eval', `${name}.jsonl`))) {
      const shape = questionShape(record.question)
      const list = asked.get(shape) ?? []
      list.push({ record, file: join(workRoot, 'eval', record.images[0] ?? '') })
      asked.set(shape, list)
    }
  const cache = new Map<string | RasterImage, Promise<Seen>>()
  const seen = (image: string | RasterImage): Promise<Seen> => {
    const known = cache.get(image) ?? pixelsOf(image).then((pixels) => ({ pixels, blocks: blockSums(pixels) }))
    cache.set(image, known)
    return known
  }
  // One question shape at a time.
  for (const [shape, questions] of asked) {
    const list = examples.get(shape) ?? []
    const pictures = await Promise.all(list.map((example) => seen(example.image)))
    for (const { record, file } of questions) {
      scores[record.task] ??= { questions: 0, nearest: 0, majority: 0 }
      const score = scores[record.task]!
      score.questions++
      if (list.length === 0) continue
      if (accepted(record, majorities.get(shape) ?? '')) score.majority++
      const answer = list[nearest(await seen(file), pictures)]?.answer ?? ''
      if (accepted(record, answer)) score.nearest++
    }
  }
  const rounded = Object.fromEntries(
    Object.entries(scores).map(([task, s]) => [
      task,
      {
        questions: s.questions,
        nearest: +(s.nearest / s.questions).toFixed(4),
        majority: +(s.majority / s.questions).toFixed(4),
      },
    ]),
  )
  writeWhole(join(workRoot, 'eval', 'baselines.json'), `${JSON.stringify(rounded, null, 2)}\n`)
  console.log(rounded)
}
