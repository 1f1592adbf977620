/**
 * Draws the data of the one-minute training: one coloured shape on a plain ground, with a question for its colour and one for its
 * shape. The questions of the measurement show other pictures than the training. Same seed, same files.
 *
 * node dist/examples/tiny/data.js [DIR]     (default out/tiny)
 */
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { createRandom, type Random } from '../../src/generate/sample.js'

const SIZE = 32
const TRAINING = 2000
const MEASURED = 100

const colours = { red: [210, 40, 40], green: [40, 160, 60], blue: [40, 70, 210], yellow: [235, 205, 40] } as const

/** Each shape as SVG around the origin, within a circle of radius 1. */
const shapes = {
  circle: '<circle r="0.9"/>',
  square: '<rect x="-0.8" y="-0.8" width="1.6" height="1.6"/>',
  triangle: '<path d="M0-1 0.95 0.75-0.95 0.75Z"/>',
  cross: '<path d="M-0.3-1h0.6v0.7h0.7v0.6h-0.7v0.7h-0.6v-0.7h-0.7v-0.6h0.7Z"/>',
} as const

interface Drawn {
  readonly colour: string
  readonly shape: string
  readonly svg: string
}

/** A shape of random kind and colour near the middle, its place and size varied a little, on a light ground. */
function draw(random: Random): Drawn {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T
  const [colour, rgb] = pick(Object.entries(colours))
  const [shape, path] = pick(Object.entries(shapes))
  const radius = 10 + 3 * random.next()
  const place = () => SIZE / 2 + 5 * (random.next() - 0.5)
  const varied = rgb.map((value) => Math.round(value + 20 * (random.next() - 0.5)))
  const ground = Math.round(235 + 20 * random.next())
  return {
    colour,
    shape,
    svg: `<svg xmlns="http://www.w3.org/2000/svg" width="${SIZE}" height="${SIZE}"><rect width="100%" height="100%" fill="rgb(${ground},${ground},${ground})"/><g fill="rgb(${varied})" transform="translate(${place()} ${place()}) scale(${radius})">${path}</g></svg>`,
  }
}

const QUESTIONS = { colour: 'What colour is this?', shape: 'What shape is this?' } as const

/** Writes train.jsonl, questions.jsonl and their pictures under `dir`. */
export async function makeTinyData(dir: string, seed = 1): Promise<void> {
  const random = createRandom(seed)
  mkdirSync(join(dir, 'img'), { recursive: true })
  const train: unknown[] = []
  const questions: unknown[] = []
  for (let i = 0; i < TRAINING + MEASURED; i++) {
    const drawn = draw(random)
    const image = `img/${i}.png`
    await sharp(Buffer.from(drawn.svg)).removeAlpha().png().toFile(join(dir, image))
    if (i < TRAINING) train.push(conversation(`train-${i}`, image, drawn, i % 2 === 0))
    else {
      for (const task of ['colour', 'shape'] as const) {
        questions.push({
          id: `${task}-${i}`,
          task,
          images: [image],
          question: QUESTIONS[task],
          answers: [drawn[task]],
          scorer: 'exact',
        })
      }
    }
  }
  writeLines(join(dir, 'train.jsonl'), train)
  writeLines(join(dir, 'questions.jsonl'), questions)
}

/** Either question comes first in half of the records, since the measurement asks each alone. */
function conversation(id: string, image: string, drawn: Drawn, colourFirst: boolean) {
  const order = colourFirst ? (['colour', 'shape'] as const) : (['shape', 'colour'] as const)
  const conversations = order.flatMap((task, turn) => [
    { from: 'user', value: `${turn === 0 ? '<ImageHere>' : ''}${QUESTIONS[task]}` },
    { from: 'assistant', value: drawn[task] },
  ])
  return { id, image: [image], conversations }
}

function writeLines(file: string, records: readonly unknown[]): void {
  writeFileSync(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
}

const script = process.argv[1]
if (script !== undefined && realpathSync(script) === realpathSync(fileURLToPath(import.meta.url))) {
  const [dir = join('out', 'tiny'), ...more] = process.argv.slice(2)
  if (dir.startsWith('-') || more.length > 0) {
    process.stderr.write(`usage: node dist/examples/tiny/data.js [FOLDER]   (default out/tiny)\n`)
    process.exit(2)
  }
  await makeTinyData(dir)
}
