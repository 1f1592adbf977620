// Evaluation sets whose pictures are single things: naming in held-out and unseen styles, and flags with held-out facts.
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import type { Generator } from '../../src/data/drawn.js'
import { attributeQuestions, attributes, pairHeldOut } from './countries.js'
import { workRoot } from './paths.js'
import { ask } from './questions.js'
import { random } from './random.js'
import { type EvalRecord, writeJsonl } from './records.js'
import { type ConceptSprites, type FlagSprites, type Sprite, spriteSize } from './sprites.js'

/** Puts a sprite on white below work/eval and returns the path relative to it. */
async function onWhite(sprite: Sprite): Promise<string> {
  const image = `img/${sprite.file}`
  const target = join(workRoot, 'eval', image)
  mkdirSync(dirname(target), { recursive: true })
  await sharp(join(workRoot, sprite.file))
    .flatten({ background: '#ffffff' })
    .resize(spriteSize, spriteSize)
    .removeAlpha()
    .png()
    .toFile(target)
  return image
}

/** Naming of one style in both languages: every concept once a language. */
async function naming(things: readonly ConceptSprites[], style: 'known' | 'unseen'): Promise<void> {
  const records: EvalRecord[] = []
  for (const thing of things) {
    const sprite = style === 'known' ? thing.heldOut : thing.unseen
    // A concept with no training picture left cannot be known.
    if (!sprite || thing.training.length === 0) continue
    const image = await onWhite(sprite)
    const { icon, namesEn, namesZh } = thing.concept
    records.push(
      {
        id: `${style}-en-${icon}`,
        task: `naming_${style}_en`,
        images: [image],
        question: ask.name.en[0],
        answers: namesEn,
        scorer: 'exact',
      },
      {
        id: `${style}-zh-${icon}`,
        task: `naming_${style}_zh`,
        images: [image],
        question: ask.name.zh[0],
        answers: namesZh,
        scorer: 'exact',
      },
    )
  }
  writeJsonl(`eval/naming_${style}.jsonl`, random(`naming-${style}`).shuffle(records))
}

/** Held-out (country, attribute) pairs asked about the held-out picture of the flag, alternating languages. */
async function flagFacts(flags: readonly FlagSprites[], count: number): Promise<void> {
  const rng = random('evaluate-flags')
  const records: EvalRecord[] = []
  for (const { country, heldOut } of flags)
    for (const attribute of attributes) {
      const fact = country.facts[attribute]
      if (!fact || !pairHeldOut(country.code, attribute)) continue
      const image = await onWhite(heldOut)
      const { flagEn, flagZh } = attributeQuestions[attribute]
      records.push(
        {
          id: `${country.code}-${attribute}-en`,
          task: 'flags',
          images: [image],
          question: flagEn,
          answers: [fact.en],
          scorer: 'exact',
        },
        {
          id: `${country.code}-${attribute}-zh`,
          task: 'flags',
          images: [image],
          question: flagZh,
          answers: [fact.zh],
          scorer: 'exact',
        },
      )
    }
  writeJsonl('eval/flags.jsonl', rng.sample(records, count))
}

/** A seed that no recipe has. */
const EVALUATION_SEED = 0x65766c

/** Repeating what stands in the context, each language by itself: descriptions that no training seed draws. */
export function evaluateCopying(copying: Generator, count = 200): void {
  const left = { en: count, zh: count }
  const records: EvalRecord[] = []
  for (let n = 0; left.en + left.zh > 0; n++)
    for (const { question, answer } of copying.draw(EVALUATION_SEED, n).questions) {
      const language = /\p{Script=Han}/u.test(question) ? 'zh' : 'en'
      if (left[language]-- <= 0) left[language] = 0
      else
        records.push({
          id: `copying${records.length}`,
          task: `copying_${language}`,
          images: [],
          question,
          answers: [answer],
          scorer: 'exact',
        })
    }
  writeJsonl('eval/copying.jsonl', records)
}

/** Writes the naming and flag evaluations. */
export async function evaluateSingles(things: readonly ConceptSprites[], flags: readonly FlagSprites[]): Promise<void> {
  await naming(things, 'known')
  await naming(things, 'unseen')
  await flagFacts(flags, 300)
}
