// Scenes of sprites at known places, 64x64: where things are, how they lie to each other, how many there are, and
// one-sentence captions. Training and evaluation draw from different random streams and, where asked, other sprites.
import { type Box, boxText } from './boxes.js'
import { anyBackground, background, type Context, css, drawing, savePng } from './drawing.js'
import { ask, colour, palette, slots } from './questions.js'
import { type Random, random } from './random.js'
import { type DialogueRecord, dialogue, type EvalRecord, groupTurns, type Qa, writeJsonl } from './records.js'
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

type Choose = (thing: ConceptSprites, rng: Random) => Sprite | undefined
export const trained: Choose = (thing, rng) => (thing.training.length > 0 ? rng.pick(thing.training) : undefined)
const heldOut: Choose = (thing) => thing.heldOut

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
  const context = drawing(sceneSize)
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

/** All questions about a scene. */
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
    else out.push(rng.chance(0.5) ? { q: slots(ask.at.en[0], { b }), a: en } : { q: slots(ask.at.zh[0], { b }), a: zh })
    if (rng.chance(0.2))
      out.push(
        rng.chance(0.5)
          ? { q: slots(ask.present.en[0], { n: en }), a: 'Yes' }
          : { q: slots(ask.present.zh[0], { n: zh }), a: '是' },
      )
  }
  const [a, b] = rng.shuffle(placed)
  if (a && b) {
    const how = relation(a.box, b.box)
    if (how) {
      const asked = rng.chance(0.5) ? how : opposite[how]
      const yes = asked === how
      out.push(
        rng.chance(0.5)
          ? { q: slots(ask[asked].en[0], { n: a.thing.concept.en, m: b.thing.concept.en }), a: yes ? 'Yes' : 'No' }
          : { q: slots(ask[asked].zh[0], { n: a.thing.concept.zh, m: b.thing.concept.zh }), a: yes ? '是' : '不是' },
      )
    }
  }
  const other = rng.pick(others)
  if (rng.chance(0.3) && !placed.some((p) => p.thing.concept.en === other.concept.en))
    out.push(
      rng.chance(0.5)
        ? { q: slots(ask.present.en[0], { n: other.concept.en }), a: 'No' }
        : { q: slots(ask.present.zh[0], { n: other.concept.zh }), a: '不是' },
    )
  return out
}

/** Grounding scenes, and captions of a part of them. */
export function makeGrounding(things: readonly ConceptSprites[], count = 15000): void {
  const rng = random('grounding')
  const records: DialogueRecord[] = []
  const captions: DialogueRecord[] = []
  for (let i = 0; i < count; i++) {
    const { placed, context } = scene(things, trained, rng)
    if (placed.length === 0) continue
    const path = `img/scenes/g${i}.png`
    savePng(context, sceneSize, `pretrain/${path}`)
    records.push(dialogue(`grounding${i}`, groupTurns(sceneQuestions(placed, things, rng), 3, 5, rng)[0] ?? [], [path]))
    const caption = rng.chance(0.35) ? sceneCaption(placed) : undefined
    if (caption) {
      const en = { q: rng.pick(ask.describe.en), a: caption.en }
      const zh = { q: rng.pick(ask.describe.zh), a: caption.zh }
      captions.push(dialogue(`scene${i}`, rng.chance(0.5) ? [en, zh] : [zh, en], [path]))
    }
  }
  writeJsonl('pretrain/grounding.jsonl', records)
  writeJsonl('pretrain/caption-scenes.jsonl', captions)
}

/** Copies of one thing, sometimes with one other thing among them. */
export function countingScene(
  things: readonly ConceptSprites[],
  choose: Choose,
  wanted: number,
  rng: Random,
): { thing: ConceptSprites; count: number; context: Context } | undefined {
  const [thing, extra] = differentThings(things, 2, rng)
  const sprite = thing && choose(thing, rng)
  if (!thing || !sprite) return undefined
  const context = drawing(sceneSize)
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
  const other = extra && rng.chance(0.3) ? choose(extra, rng) : undefined
  if (other) {
    const { width, height } = fitSides(other.box, side)
    const box = place(width, height, boxes, sceneSize, rng)
    if (box) drawSprite(context, other, box)
  }
  return { thing, count, context }
}

/** Counting pictures. */
export function makeCounting(things: readonly ConceptSprites[], count = 8000): void {
  const rng = random('counting')
  const records: DialogueRecord[] = []
  for (let i = 0; i < count; i++) {
    const made = countingScene(things, trained, rng.int(1, 6), rng)
    if (!made) continue
    const path = `img/counting/c${i}.png`
    savePng(made.context, sceneSize, `pretrain/${path}`)
    const { en, zh } = made.thing.concept
    const turns = rng.shuffle([
      { q: slots(ask.count.en[rng.chance(0.75) ? 0 : 1], { n: en }), a: String(made.count) },
      { q: slots(ask.count.zh[rng.chance(0.75) ? 0 : 1], { n: zh }), a: String(made.count) },
    ])
    // One counting question a picture: a second one could copy the first answer.
    records.push(dialogue(`counting${i}`, turns.slice(0, 1), [path], true))
  }
  writeJsonl('pretrain/counting.jsonl', records)
}

/** One large thing on a background of a named colour. */
export function makeCaptions(things: readonly ConceptSprites[], count = 5000): void {
  const rng = random('caption')
  const records: DialogueRecord[] = []
  const plain = palette.filter((c) => c.en !== 'brown')
  for (let i = 0; i < count; i++) {
    const thing = rng.pick(things)
    const sprite = trained(thing, rng)
    if (!sprite) continue
    const behind = rng.pick(plain.filter((c) => sprite.colour === undefined || c.en !== palette[sprite.colour]?.en))
    const context = drawing(sceneSize)
    context.fillStyle = css(colour(behind.en).rgb)
    context.fillRect(0, 0, sceneSize, sceneSize)
    const { width, height } = fitSides(sprite.box, rng.int(34, 52))
    const box = place(width, height, [], sceneSize, rng)
    if (!box) continue
    drawSprite(context, sprite, box)
    const path = `img/caption/a${i}.png`
    savePng(context, sceneSize, `pretrain/${path}`)
    const { en, zh } = thing.concept
    const turns: Qa[] = rng.shuffle([
      { q: rng.pick(ask.describe.en) as string, a: `The ${en} on a ${behind.en} background.` },
      { q: rng.pick(ask.describe.zh), a: `${behind.zh}背景上的${zh}。` },
    ])
    turns.push(rng.chance(0.5) ? { q: 'What colour is the background?', a: behind.en } : { q: '背景是什么颜色？', a: behind.zh })
    records.push(dialogue(`caption${i}`, turns, [path]))
  }
  writeJsonl('pretrain/caption.jsonl', records)
}

/** Pointing (boxes) and counting evaluations: trained sprites in new scenes, and held-out sprites. */
export function evaluateScenes(things: readonly ConceptSprites[], count = 300): void {
  const rng = random('evaluate-scenes')
  const pointing: EvalRecord[] = []
  const counting: EvalRecord[] = []
  for (const [suffix, choose] of [
    ['', trained],
    ['_held_out', heldOut],
  ] as const)
    for (let i = 0; i < count; i++) {
      const { placed, context } = scene(things, choose, rng)
      const target = placed.length > 0 ? rng.pick(placed) : undefined
      const english = rng.chance(0.5)
      if (target) {
        const image = `img/pointing/p${suffix}${i}.png`
        savePng(context, sceneSize, `eval/${image}`)
        const { en, zh } = target.thing.concept
        const question = slots(english ? ask.where.en[0] : ask.where.zh[0], { n: english ? en : zh })
        pointing.push({
          id: `pointing${suffix}${i}`,
          task: `pointing${suffix}`,
          images: [image],
          question,
          answers: [boxText(target.box, sceneSize)],
          scorer: 'box',
        })
      }
      const made = countingScene(things, choose, (i % 6) + 1, rng)
      if (made) {
        const image = `img/counting/c${suffix}${i}.png`
        savePng(made.context, sceneSize, `eval/${image}`)
        const { en, zh } = made.thing.concept
        const question = slots(english ? ask.count.en[0] : ask.count.zh[0], { n: english ? en : zh })
        counting.push({
          id: `counting${suffix}${i}`,
          task: `counting${suffix}`,
          images: [image],
          question,
          answers: [String(made.count)],
          scorer: 'exact',
        })
      }
    }
  writeJsonl('eval/pointing.jsonl', pointing)
  writeJsonl('eval/counting.jsonl', counting)
}
