// Samples of scenes: where each thing is, what is there, how they lie to each other; how many there are; and captions.
import type { Generator } from '../../src/data/drawn.js'
import { boxText } from './boxes.js'
import { boxCells } from './cells.js'
import { type Context, css, rgbImage, sheet } from './drawing.js'
import { mainColour } from './naming.js'
import { ask, palette, slots } from './questions.js'
import { type Random, random } from './random.js'
import type { Qa } from './records.js'
import { asked, either, unique } from './samples.js'
import {
  countingScene,
  drawSprite,
  fitSides,
  type Placed,
  place,
  presence,
  relation,
  relationQuestion,
  scene,
  sceneCaption,
  sceneSize,
  trained,
} from './scenes.js'
import type { ConceptSprites } from './sprites.js'

const drawable = (things: readonly ConceptSprites[]): ConceptSprites[] => things.filter((t) => t.training.length > 0)

const labelsOf = (things: readonly ConceptSprites[]) => ({ cells: unique(things.map((t) => t.concept.en)) })

const cellsFor = (placed: readonly Placed[]): string[] =>
  boxCells(placed.map(({ thing, box }) => ({ name: thing.concept.en, box })))

/** A scene with at least one thing in it. */
function filledScene(things: readonly ConceptSprites[], rng: Random): { placed: Placed[]; context: Context } {
  let made = scene(things, trained, rng)
  while (made.placed.length === 0) made = scene(things, trained, rng)
  return made
}

/** Every question about a scene. Each is asked by itself, so no answer can be copied from another question. */
function questionsAbout(placed: readonly Placed[], things: readonly ConceptSprites[], rng: Random): Qa[] {
  const out: Qa[] = []
  for (const { thing, box } of placed) {
    const { en, zh } = thing.concept
    const b = boxText(box, sceneSize)
    const usual = rng.chance(0.75) ? 0 : 1
    out.push(
      either(
        [
          { q: slots(ask.where.en[usual], { n: en }), a: b },
          { q: slots(ask.where.zh[usual], { n: zh }), a: b },
        ],
        rng,
      ),
      either(
        [
          { q: slots(ask.at.en[0], { b }), a: en },
          { q: slots(ask.at.zh[0], { b }), a: zh },
        ],
        rng,
      ),
    )
  }
  out.push(presence(rng.pick(placed).thing, true, rng))
  const absent = rng.pick(things)
  if (!placed.some(({ thing: { concept } }) => concept.en === absent.concept.en || concept.zh === absent.concept.zh))
    out.push(presence(absent, false, rng))
  for (const [i, first] of placed.entries())
    for (const second of placed.slice(i + 1)) {
      const [a, b] = rng.shuffle([first, second])
      const how = relation(a!.box, b!.box)
      if (how) out.push(relationQuestion(a!, b!, how, rng))
    }
  // From left to right, so that there is one right order.
  const row = [...placed].sort((a, b) => a.box.left + a.box.right - b.box.left - b.box.right).map((p) => p.thing.concept)
  out.push(
    either(
      [
        { q: ask.objects.en[0], a: row.map((c) => c.en).join(', ') },
        { q: ask.objects.zh[0], a: row.map((c) => c.zh).join('、') },
      ],
      rng,
    ),
  )
  return out
}

/** One to three things at known places. */
export function drawnScenes(things: readonly ConceptSprites[]): Generator {
  const shown = drawable(things)
  return {
    labels: labelsOf(shown),
    draw(seed, number) {
      const rng = random(`scenes-${seed}-${number}`)
      const { placed, context } = filledScene(shown, rng)
      return {
        image: rgbImage(context, sceneSize),
        questions: asked(questionsAbout(placed, shown, rng)),
        labels: { cells: cellsFor(placed) },
      }
    },
  }
}

/** One to six copies of a thing, at times with another one among them. */
export function drawnCounting(things: readonly ConceptSprites[]): Generator {
  const shown = drawable(things)
  return {
    labels: labelsOf(shown),
    draw(seed, number) {
      const rng = random(`counting-${seed}-${number}`)
      let made = countingScene(shown, trained, rng.int(1, 6), rng)
      while (!made) made = countingScene(shown, trained, rng.int(1, 6), rng)
      const { en, zh } = made.thing.concept
      return {
        image: rgbImage(made.context, sceneSize),
        questions: asked([
          { q: slots(ask.count.en[rng.chance(0.75) ? 0 : 1], { n: en }), a: String(made.count) },
          { q: slots(ask.count.zh[rng.chance(0.75) ? 0 : 1], { n: zh }), a: String(made.count) },
        ]),
        labels: { cells: cellsFor(made.placed) },
      }
    },
  }
}

const papers = palette.filter((c) => c.en !== 'brown')

/** One large thing on a background of a named colour. */
function portrait(things: readonly ConceptSprites[], rng: Random): { placed: Placed[]; context: Context; turns: Qa[] } {
  const thing = rng.pick(things)
  const sprite = trained(thing, rng)!
  const main = mainColour(sprite)
  const behind = rng.pick(papers.filter((c) => c !== main))
  const context = sheet(sceneSize)
  context.fillStyle = css(behind.rgb)
  context.fillRect(0, 0, sceneSize, sceneSize)
  const { width, height } = fitSides(sprite.box, rng.int(34, 52))
  const placed: Placed[] = [{ thing, sprite, box: place(width, height, [], sceneSize, rng)! }]
  drawSprite(context, sprite, placed[0]!.box)
  const { en, zh } = thing.concept
  const turns = [
    { q: rng.pick(ask.describe.en), a: `The ${en} on a ${behind.en} background.` },
    { q: rng.pick(ask.describe.zh), a: `${behind.zh}背景上的${zh}。` },
    { q: 'What colour is the background?', a: behind.en },
    { q: '背景是什么颜色？', a: behind.zh },
  ]
  return { placed, context, turns }
}

/** What a scene shows, in a sentence. */
function told(things: readonly ConceptSprites[], rng: Random): { placed: Placed[]; context: Context; turns: Qa[] } {
  const { placed, context } = filledScene(things, rng)
  const caption = sceneCaption(placed)!
  const turns = [
    { q: rng.pick(ask.describe.en), a: caption.en },
    { q: rng.pick(ask.describe.zh), a: caption.zh },
  ]
  return { placed, context, turns }
}

/** Captions in both languages: three of four of a thing on a coloured background, the others of scenes. */
export function drawnCaptions(things: readonly ConceptSprites[]): Generator {
  const shown = drawable(things)
  return {
    labels: labelsOf(shown),
    draw(seed, number) {
      const rng = random(`captions-${seed}-${number}`)
      const { placed, context, turns } = rng.chance(0.75) ? portrait(shown, rng) : told(shown, rng)
      return {
        image: rgbImage(context, sceneSize),
        questions: asked(turns),
        labels: { cells: cellsFor(placed) },
        keepColour: true,
      }
    },
  }
}
