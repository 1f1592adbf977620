/**
 * Draws the pictures of the fine-tuning example and writes its data: the signs of four invented shops, which no model can know.
 * Training has five printed versions of each sign, cut out with transparency; the questions show six painted ones, by a hand that
 * trembles, on bags, boards and walls. Two signs share each colour, so that the colour alone does not tell the shop. Same seed, same
 * files. The results are part of the repository; this is only needed to draw others.
 *
 * node dist/examples/finetune/draw.js [DIR]     (default examples/finetune)
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { type Random, random as randomOf } from '../../src/common/random.js'

const SIZE = 96
const PRINTED = 5
const PAINTED = 6

type Point = readonly [number, number]
interface Stroke {
  readonly points: readonly Point[]
  readonly closed?: boolean
}

interface Shop {
  readonly name: string
  readonly sells: string
  readonly rgb: readonly [number, number, number]
  /** Lines within a circle of radius 1 around the origin; `lean` from -1 to 1 varies the proportions. */
  readonly sign: (lean: number) => Stroke[]
}

const circle = (radius: number, corners = 24, turn = 0): Point[] =>
  Array.from({ length: corners }, (_, i) => {
    const angle = turn + (2 * Math.PI * i) / corners
    return [radius * Math.cos(angle), radius * Math.sin(angle)] as const
  })

const RED = [206, 48, 40] as const
const TEAL = [22, 130, 140] as const

const shops: readonly Shop[] = [
  {
    name: 'Zorbo',
    sells: 'bread',
    rgb: RED,
    sign: (lean) => [
      { points: circle(0.85), closed: true },
      { points: circle(0.3 + 0.05 * lean), closed: true },
    ],
  },
  {
    name: 'Karu',
    sells: 'books',
    rgb: RED,
    sign: (lean) => [
      {
        points: [
          [-0.95, 0.6],
          [-0.45 + 0.1 * lean, -0.7],
          [0, 0.2],
          [0.45 + 0.1 * lean, -0.7],
          [0.95, 0.6],
        ],
      },
      {
        points: [
          [-0.95, 0.85],
          [0.95, 0.85],
        ],
      },
    ],
  },
  {
    name: 'Mellin',
    sells: 'shoes',
    rgb: TEAL,
    sign: (lean) =>
      [-0.6, 0, 0.6].map((y) => ({
        points: Array.from(
          { length: 17 },
          (_, i) => [-0.95 + (1.9 * i) / 16, y + (0.2 + 0.04 * lean) * Math.sin(i / 1.3)] as const,
        ),
      })),
  },
  {
    name: 'Tivo',
    sells: 'tea',
    rgb: TEAL,
    sign: (lean) => [
      { points: circle(0.95, 4), closed: true },
      {
        points: [
          [0, -0.5 - 0.1 * lean],
          [0, 0.5 + 0.1 * lean],
        ],
      },
      {
        points: [
          [-0.5 - 0.1 * lean, 0],
          [0.5 + 0.1 * lean, 0],
        ],
      },
    ],
  },
]

/** SVG of a sign at radius `scale` around the middle; `tremble` moves every point by so much of the radius. */
function drawSign(shop: Shop, random: Random, tremble: number, scale: number): string {
  const lean = random.between(-1, 1)
  const move = () => random.between(-tremble, tremble)
  const rgb = shop.rgb.map((value) => Math.min(255, Math.max(0, Math.round(value + random.between(-22, 22)))))
  const strokes = shop.sign(lean).map(({ points, closed }) => {
    const path = points.map(([x, y]) => `${(x + move()).toFixed(3)} ${(y + move()).toFixed(3)}`).join('L')
    return `<path d="M${path}${closed ? 'Z' : ''}"/>`
  })
  const width = random.between(0.22, 0.32)
  return `<g fill="none" stroke="rgb(${rgb})" stroke-width="${width}" stroke-linejoin="round" stroke-linecap="round" transform="translate(${SIZE / 2} ${SIZE / 2}) rotate(${tremble > 0 ? random.between(-9, 9) : 0}) scale(${scale})">${strokes.join('')}</g>`
}

/** What a painted sign stands on. */
const grounds: readonly ((tint: string) => string)[] = [
  (tint) => `<path fill="#8a7a66" d="M0 0h96v96H0z"/><rect x="4" y="6" width="88" height="84" rx="4" fill="${tint}"/>`,
  (tint) =>
    `<path fill="#dfe6ea" d="M0 0h96v96H0z"/><path fill="none" stroke="#777" stroke-width="4" d="M32 14q16-20 32 0"/><path fill="${tint}" d="M10 14h76l6 82H4z"/>`,
  (tint) =>
    `<path fill="${tint}" d="M0 0h96v96H0z"/><path stroke="#0002" d="M0 24h96M0 48h96M0 72h96M30 0v24M66 24v24M30 48v24M66 72v24"/>`,
]

const svg = (content: string) =>
  Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${SIZE}" height="${SIZE}">${content}</svg>`)
const png = (content: string, file: string) => sharp(svg(content)).png({ palette: true, colours: 64 }).toFile(file)

const ASKED = { shop: 'Whose sign is this?', sells: 'What does this shop sell?' } as const

/** Writes train.json (LLaVA's format), train/, questions.jsonl and questions/ under `dir`. */
export async function drawSigns(dir: string, seed = 3): Promise<void> {
  const random = randomOf(seed)
  for (const folder of ['train', 'questions']) mkdirSync(join(dir, folder), { recursive: true })
  const train: unknown[] = []
  const questions: unknown[] = []
  for (const shop of shops) {
    const file = (i: number) => `${shop.name.toLowerCase()}-${i + 1}.png`
    for (let i = 0; i < PRINTED; i++) {
      await png(drawSign(shop, random, 0, random.between(34, 42)), join(dir, 'train', file(i)))
      const turns = [
        [ASKED.shop, shop.name],
        [ASKED.sells, shop.sells],
      ]
      if (i % 2 === 1) turns.reverse()
      train.push({
        id: `${shop.name}-${i + 1}`,
        image: file(i),
        conversations: turns.flatMap(([question, answer], turn) => [
          { from: 'human', value: `${turn === 0 ? '<image>\n' : ''}${question}` },
          { from: 'gpt', value: answer },
        ]),
      })
    }
    for (let i = 0; i < PAINTED; i++) {
      const tint = `rgb(${[0, 1, 2].map(() => Math.round(random.between(215, 255)))})`
      const ground = grounds[i % grounds.length]?.(tint) ?? ''
      await png(ground + drawSign(shop, random, 0.06, random.between(27, 34)), join(dir, 'questions', file(i)))
      for (const task of ['shop', 'sells'] as const) {
        const id = `${task}-${shop.name}-${i + 1}`
        questions.push({
          id,
          task,
          images: [`questions/${file(i)}`],
          question: ASKED[task],
          answers: [task === 'shop' ? shop.name : shop.sells],
          scorer: 'exact',
        })
      }
    }
  }
  writeFileSync(join(dir, 'train.json'), `${JSON.stringify(train, null, 2)}\n`)
  writeFileSync(join(dir, 'questions.jsonl'), questions.map((question) => `${JSON.stringify(question)}\n`).join(''))
}

await drawSigns(process.argv[2] ?? join('examples', 'finetune'))
