// Scenes of sprites at known places, 64x64: where things are, how they lie to each other, how many there are.
// Training and evaluation draw from different random streams and, where asked, other sprites.
import { type Box, boxText } from './boxes.js'
import { anyBackground, background, type Context, sheet } from './drawing.js'
import { ask, slots } from './questions.js'
import type { Random } from './random.js'
import type { Qa } from './records.js'
import { either } from './samples.js'
import type { ConceptSprites, Sprite } from './sprites.js'

export const sceneSize = 64

/** A concept drawn with one sprite at a pixel box. */
export interface Placed {
  readonly thing: ConceptSprites
  readonly sprite: Sprite
  readonly box: Box
}

/** Box sides of a sprite scaled so that its longer visible side is `side` pixels. */
export function fitSides(visible: readonly [number, number, number, number], side: number): { width: number; height: number } {
  const width = visible[2] - visible[0]
  const height = visible[3] - visible[1]
  const scale = side / Math.max(width, height)
  return { width: Math.max(3, Math.round(width * scale)), height: Math.max(3, Math.round(height * scale)) }
}

/** A free place for a rectangle, or undefined after forty tries. Boxes keep one pixel of distance and stay inside. */
export function place(width: number, height: number, taken: readonly Box[], size: number, rng: Random): Box | undefined {
  for (let i = 0; i < 40; i++) {
    const left = rng.int(0, size - width)
    const top = rng.int(0, size - height)
    const box = { left, top, right: left + width, bottom: top + height }
    if (taken.every((t) => box.right < t.left || t.right < box.left || box.bottom < t.top || t.bottom < box.top)) return box
  }
  return undefined
}

/** Draws the visible part of a sprite into a box. */
export function drawSprite(context: Context, sprite: Sprite, box: Box): void {
  const [left, top, right, bottom] = sprite.box
  context.imageSmoothingQuality = 'high'
  context.drawImage(
    sprite.picture,
    left,
    top,
    right - left,
    bottom - top,
    box.left,
    box.top,
    box.right - box.left,
    box.bottom - box.top,
  )
}

/** Which sprite of a thing is drawn, if it has one. */
type Choose = (thing: ConceptSprites, rng: Random) => Sprite | undefined
export const trained: Choose = (thing, rng) => (thing.training.length > 0 ? rng.pick(thing.training) : undefined)
export const heldOut: Choose = (thing) => thing.heldOut

function differentThings(things: readonly ConceptSprites[], count: number, rng: Random): ConceptSprites[] {
  const out: ConceptSprites[] = []
  while (out.length < count) {
    const thing = rng.pick(things)
    if (!out.some((t) => t.concept.en === thing.concept.en || t.concept.zh === thing.concept.zh)) out.push(thing)
  }
  return out
}

/** One to three different things that do not overlap. */
export function scene(things: readonly ConceptSprites[], choose: Choose, rng: Random): { placed: Placed[]; context: Context } {
  const count = rng.pick([1, 1, 2, 2, 2, 3])
  const placed: Placed[] = []
  for (const thing of differentThings(things, count, rng)) {
    const sprite = choose(thing, rng)
    if (!sprite) continue
    const { width, height } = fitSides(sprite.box, rng.int(20, count === 3 ? 28 : 36))
    const box = place(
      width,
      height,
      placed.map((p) => p.box),
      sceneSize,
      rng,
    )
    if (box) placed.push({ thing, sprite, box })
  }
  const context = sheet(sceneSize)
  background(context, sceneSize, anyBackground(rng), rng)
  for (const p of placed) drawSprite(context, p.sprite, p.box)
  return { placed, context }
}

const centre = (box: Box): [number, number] => [(box.left + box.right) / 2, (box.top + box.bottom) / 2]

/** Which relation of `a` to `b` is clear enough to ask about. */
export function relation(a: Box, b: Box): 'leftOf' | 'rightOf' | 'above' | 'below' | undefined {
  const [ax, ay] = centre(a)
  const [bx, by] = centre(b)
  const dx = bx - ax
  const dy = by - ay
  if (Math.abs(dx) < 10 && Math.abs(dy) < 10) return undefined
  if (Math.abs(dx) >= Math.abs(dy)) return dx > 0 ? 'leftOf' : 'rightOf'
  return dy > 0 ? 'above' : 'below'
}

const opposite = { leftOf: 'rightOf', rightOf: 'leftOf', above: 'below', below: 'above' } as const
const relationWords = {
  leftOf: { en: 'to the left of', zh: '左边' },
  rightOf: { en: 'to the right of', zh: '右边' },
  above: { en: 'above', zh: '上面' },
  below: { en: 'below', zh: '下面' },
} as const

/** A sentence that says what lies where. */
export function sceneCaption(placed: readonly Placed[]): { en: string; zh: string } | undefined {
  const [first, second, third] = placed
  if (!first) return undefined
  const a = first.thing.concept
  if (!second) return { en: `A picture of the ${a.en}.`, zh: `一张${a.zh}的图片。` }
  const b = second.thing.concept
  if (third)
    return {
      en: `A picture of the ${a.en}, the ${b.en} and the ${third.thing.concept.en}.`,
      zh: `一张有${a.zh}、${b.zh}和${third.thing.concept.zh}的图片。`,
    }
  const how = relation(first.box, second.box)
  return how
    ? { en: `The ${a.en} is ${relationWords[how].en} the ${b.en}.`, zh: `${a.zh}在${b.zh}的${relationWords[how].zh}。` }
    : { en: `A picture of the ${a.en} and the ${b.en}.`, zh: `一张有${a.zh}和${b.zh}的图片。` }
}

/** Whether one lies so to the other; yes and no are equally likely. */
export function relationQuestion(a: Placed, b: Placed, how: keyof typeof opposite, rng: Random): Qa {
  const asked = rng.chance(0.5) ? how : opposite[how]
  const yes = asked === how
  const [first, second] = [a.thing.concept, b.thing.concept]
  return either(
    [
      { q: slots(ask[asked].en[0], { n: first.en, m: second.en }), a: yes ? 'Yes' : 'No' },
      { q: slots(ask[asked].zh[0], { n: first.zh, m: second.zh }), a: yes ? '是' : '不是' },
    ],
    rng,
  )
}

/** Whether there is a picture of a thing. */
export function presence({ concept: { en, zh } }: ConceptSprites, there: boolean, rng: Random): Qa {
  return either(
    [
      { q: slots(ask.present.en[0], { n: en }), a: there ? 'Yes' : 'No' },
      { q: slots(ask.present.zh[0], { n: zh }), a: there ? '是' : '不是' },
    ],
    rng,
  )
}

/** Some questions about a scene, for one dialogue. */
export function sceneQuestions(placed: readonly Placed[], others: readonly ConceptSprites[], rng: Random): Qa[] {
  const out: Qa[] = []
  for (const { thing, box } of placed) {
    const { en, zh } = thing.concept
    const b = boxText(box, sceneSize)
    const english = rng.chance(0.5)
    // Either its place or its name is asked: both would let the second answer be copied from the first question.
    if (rng.chance(0.7))
      out.push({
        q: slots(english ? ask.where.en[rng.chance(0.75) ? 0 : 1] : ask.where.zh[rng.chance(0.75) ? 0 : 1], {
          n: english ? en : zh,
        }),
        a: b,
      })
    else
      out.push(
        either(
          [
            { q: slots(ask.at.en[0], { b }), a: en },
            { q: slots(ask.at.zh[0], { b }), a: zh },
          ],
          rng,
        ),
      )
    if (rng.chance(0.2)) out.push(presence(thing, true, rng))
  }
  const [a, b] = rng.shuffle(placed)
  if (a && b) {
    const how = relation(a.box, b.box)
    if (how) out.push(relationQuestion(a, b, how, rng))
  }
  const other = rng.pick(others)
  if (rng.chance(0.3) && !placed.some((p) => p.thing.concept.en === other.concept.en)) out.push(presence(other, false, rng))
  return out
}

/** Copies of one thing, sometimes with one other thing among them. */
export function countingScene(
  things: readonly ConceptSprites[],
  choose: Choose,
  wanted: number,
  rng: Random,
): { thing: ConceptSprites; count: number; placed: Placed[]; context: Context } | undefined {
  const [thing, extra] = differentThings(things, 2, rng)
  const sprite = thing && choose(thing, rng)
  if (!thing || !sprite) return undefined
  const context = sheet(sceneSize)
  background(context, sceneSize, anyBackground(rng), rng)
  const boxes: Box[] = []
  let side = rng.int(13, wanted <= 3 ? 22 : 17)
  // Crowded scenes are planned again with smaller copies, or large counts would be rare.
  while (boxes.length < wanted && side >= 9) {
    boxes.length = 0
    for (let i = 0; i < wanted; i++) {
      const { width, height } = fitSides(sprite.box, side)
      const box = place(width, height, boxes, sceneSize, rng)
      if (box) boxes.push(box)
    }
    side--
  }
  const count = boxes.length
  for (const box of boxes) drawSprite(context, sprite, box)
  const placed = boxes.map((box): Placed => ({ thing, sprite, box }))
  const other = extra && rng.chance(0.3) ? choose(extra, rng) : undefined
  if (extra && other) {
    const { width, height } = fitSides(other.box, side)
    const box = place(width, height, boxes, sceneSize, rng)
    if (box) {
      drawSprite(context, other, box)
      placed.push({ thing: extra, sprite: other, box })
    }
  }
  return { thing, count, placed, context }
}
