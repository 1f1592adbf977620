// Coloured geometric shapes: colour, shape and size, the simplest thing to see.
import type { Generator } from '../../src/data/drawn.js'
import type { Box } from './boxes.js'
import { background, type Context, css, jitter, rgbImage, sheet } from './drawing.js'
import { ask, palette, slots } from './questions.js'
import { random } from './random.js'
import type { Qa } from './records.js'
import { asked } from './samples.js'
import { place } from './scenes.js'

const size = 64
const polygon = (corners: number, turn: number): [number, number][] =>
  Array.from({ length: corners }, (_, i) => [
    Math.cos(turn + (2 * Math.PI * i) / corners),
    Math.sin(turn + (2 * Math.PI * i) / corners),
  ])

/** Shapes as corner lists in the unit circle; the circle itself has none. */
const shapes: readonly { en: string; zh: string; corners?: readonly [number, number][] }[] = [
  { en: 'circle', zh: '圆形' },
  {
    en: 'square',
    zh: '正方形',
    corners: [
      [-0.9, -0.9],
      [0.9, -0.9],
      [0.9, 0.9],
      [-0.9, 0.9],
    ],
  },
  { en: 'triangle', zh: '三角形', corners: polygon(3, -Math.PI / 2) },
  {
    en: 'diamond',
    zh: '菱形',
    corners: [
      [0, -1],
      [0.65, 0],
      [0, 1],
      [-0.65, 0],
    ],
  },
  {
    en: 'rectangle',
    zh: '长方形',
    corners: [
      [-1, -0.5],
      [1, -0.5],
      [1, 0.5],
      [-1, 0.5],
    ],
  },
  {
    en: 'star',
    zh: '星形',
    corners: Array.from({ length: 10 }, (_, i): [number, number] => {
      const r = i % 2 === 0 ? 1 : 0.42
      const t = -Math.PI / 2 + (Math.PI * i) / 5
      return [r * Math.cos(t), r * Math.sin(t)]
    }),
  },
  { en: 'hexagon', zh: '六边形', corners: polygon(6, 0) },
  {
    en: 'cross',
    zh: '十字形',
    corners: [
      [-0.3, -1],
      [0.3, -1],
      [0.3, -0.3],
      [1, -0.3],
      [1, 0.3],
      [0.3, 0.3],
      [0.3, 1],
      [-0.3, 1],
      [-0.3, 0.3],
      [-1, 0.3],
      [-1, -0.3],
      [-0.3, -0.3],
    ],
  },
]

function drawShape(context: Context, shape: (typeof shapes)[number], box: Box): void {
  const r = (box.right - box.left) / 2
  const x = box.left + r
  const y = box.top + r
  context.beginPath()
  if (!shape.corners) context.arc(x, y, r * 0.95, 0, 2 * Math.PI)
  for (const [i, [cx, cy]] of (shape.corners ?? []).entries()) {
    if (i === 0) context.moveTo(x + cx * r, y + cy * r)
    else context.lineTo(x + cx * r, y + cy * r)
  }
  context.closePath()
  context.fill()
}

/** One or two shapes of different colours and clearly different sizes. */
export function drawnShapes(): Generator {
  return {
    draw(seed, number) {
      const rng = random(`shapes-${seed}-${number}`)
      const context = sheet(size)
      const chosen = rng.sample(shapes, rng.int(1, 2))
      const colours = rng.sample(palette, chosen.length + 1)
      background(context, size, colours.at(-1)!.rgb, rng)
      const sides = rng.shuffle([rng.int(14, 22), rng.int(28, 36)])
      const boxes: Box[] = []
      const turns: Qa[] = []
      const drawn: { shape: (typeof shapes)[number]; side: number }[] = []
      for (const [k, shape] of chosen.entries()) {
        const ink = colours[k]!
        const side = sides[k]!
        const box = place(side, side, boxes, size, rng)
        if (!box) continue
        boxes.push(box)
        context.fillStyle = css(jitter(ink.rgb, 8, rng))
        drawShape(context, shape, box)
        drawn.push({ shape, side })
        turns.push(
          { q: slots(ask.shapeColour.en[0], { n: shape.en }), a: ink.en },
          { q: slots(ask.shapeColour.zh[0], { n: shape.zh }), a: ink.zh },
          { q: slots(ask.shapeOfColour.en[0], { n: ink.en }), a: shape.en },
          { q: slots(ask.shapeOfColour.zh[0], { n: ink.zh }), a: shape.zh },
        )
      }
      const [a, b] = drawn
      if (a && b) {
        const larger = a.side > b.side ? a : b
        turns.push({ q: ask.largerShape.en[0], a: larger.shape.en }, { q: ask.largerShape.zh[0], a: larger.shape.zh })
      } else if (a) turns.push({ q: ask.name.en[0], a: a.shape.en }, { q: ask.name.zh[0], a: a.shape.zh })
      return { image: rgbImage(context, size), questions: asked(turns), keepColour: true }
    },
  }
}
