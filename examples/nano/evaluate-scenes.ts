// Evaluation sets of scenes: pointing at a named thing and counting copies, with sprites trained on and with held-out ones.
import { boxText } from './boxes.js'
import { savePng } from './drawing.js'
import { ask, slots } from './questions.js'
import { random } from './random.js'
import { type EvalRecord, writeJsonl } from './records.js'
import { countingScene, heldOut, scene, sceneSize, trained } from './scenes.js'
import type { ConceptSprites } from './sprites.js'

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
