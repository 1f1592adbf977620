// Pictures told in words: the questions of the picture tasks, asked about a written description instead of a picture. From these
// the language model learns, before it sees anything, to look a thing up in what stands before the question and to answer in the
// form that is wanted; the vision tower then has to supply only what the words say here. Text alone: a country's held-out facts,
// which no picture question asks about, may appear.

import type { Encyclopaedia } from './articles.js'
import { boxText } from './boxes.js'
import { describedCharts } from './charts.js'
import type { Concept } from './concepts.js'
import { attributeQuestions, attributes, type Country } from './countries.js'
import { conceptSideQuestions } from './picture-questions.js'
import { ask, slots } from './questions.js'
import { type Random, random } from './random.js'
import { type DialogueRecord, dialogue, groupTurns, type Qa, writeJsonl } from './records.js'
import { wording } from './samples.js'
import { scene, sceneQuestions, sceneSize, trained } from './scenes.js'
import type { ConceptSprites } from './sprites.js'
import { someText } from './words.js'

interface Described {
  readonly en: string
  readonly zh: string
  readonly turns: readonly Qa[]
}

function scenes(things: readonly ConceptSprites[], count: number, rng: Random): Described[] {
  const out: Described[] = []
  while (out.length < count) {
    const { placed } = scene(things, trained, rng)
    if (placed.length === 0) continue
    const list = (language: 'en' | 'zh') =>
      placed.map(({ thing, box }) => `${thing.concept[language]} ${boxText(box, sceneSize)}`).join(', ')
    out.push({ en: list('en'), zh: list('zh'), turns: groupTurns(sceneQuestions(placed, things, rng), 3, 5, rng)[0] ?? [] })
  }
  return out
}

function crowds(things: readonly ConceptSprites[], count: number, rng: Random): Described[] {
  return Array.from({ length: count }, () => {
    const [thing, other] = rng.sample(things, 2).map((t) => t.concept)
    const many = rng.int(1, 6)
    const members = rng.shuffle([...Array<Concept>(many).fill(thing!), ...(rng.chance(0.3) ? [other!] : [])])
    const turn = rng.chance(0.5)
      ? { q: slots(ask.count.en[rng.chance(0.75) ? 0 : 1], { n: thing!.en }), a: String(many) }
      : { q: slots(ask.count.zh[rng.chance(0.75) ? 0 : 1], { n: thing!.zh }), a: String(many) }
    return { en: members.map((c) => c.en).join(', '), zh: members.map((c) => c.zh).join(', '), turns: [turn] }
  })
}

function spellings(words: readonly string[], count: number, rng: Random): Described[] {
  return Array.from({ length: count }, () => {
    const text = someText(words, rng)
    const letters = [...text].join(' ')
    return { en: letters, zh: letters, turns: [{ q: rng.pick(rng.chance(0.5) ? ask.read.en : ask.read.zh), a: text }] }
  })
}

function charts(count: number, rng: Random): Described[] {
  const out: Described[] = []
  for (const { words, turns } of describedCharts(count, rng)) out.push({ ...words, turns })
  return out
}

/** What a picture of one thing says, in the words of its name; the questions are those about its picture. */
function singles(things: readonly ConceptSprites[], book: Encyclopaedia, rng: Random): Described[] {
  return things.flatMap((thing): Described[] => {
    const { concept } = thing
    const turns = rng.shuffle([
      { q: wording(ask.name.en, rng), a: concept.en },
      { q: wording(ask.name.zh, rng), a: concept.zh },
      ...conceptSideQuestions(concept, things, book.colour(concept), rng),
    ])
    return groupTurns(turns, 3, 4, rng).map((group) => ({ en: concept.en, zh: concept.zh, turns: group }))
  })
}

function flags(countries: readonly Country[], rng: Random): Described[] {
  return countries.flatMap((country): Described[] => {
    const turns: Qa[] = [
      { q: wording(ask.flag.en, rng), a: country.en },
      { q: wording(ask.flag.zh, rng), a: country.zh },
    ]
    for (const attribute of attributes) {
      const fact = country.facts[attribute]
      const { flagEn, flagZh } = attributeQuestions[attribute]
      if (fact) turns.push({ q: flagEn, a: fact.en }, { q: flagZh, a: fact.zh })
    }
    return groupTurns(turns, 3, 4, rng).map((group) => ({
      en: `the flag of ${country.en}`,
      zh: `${country.zh}的国旗`,
      turns: group,
    }))
  })
}

/** Writes the described pictures: the description stands where the picture would, in either language. */
export function makeDescribed(
  book: Encyclopaedia,
  things: readonly ConceptSprites[],
  countries: readonly Country[],
  words: readonly string[],
): void {
  const rng = random('described')
  const all = [
    ...scenes(things, 3500, rng),
    ...crowds(things, 1200, rng),
    ...spellings(words, 3000, rng),
    ...charts(1800, rng),
    ...singles(things, book, rng),
    ...flags(countries, rng),
  ]
  const records = all.flatMap(({ en, zh, turns }, i): DialogueRecord[] => {
    const [first, ...rest] = turns
    if (!first) return []
    const picture = rng.chance(0.5) ? `Picture: ${en}.\n` : `图片：${zh}。\n`
    return [dialogue(`described${i}`, [{ q: picture + first.q, a: first.a }, ...rest])]
  })
  writeJsonl('language/described.jsonl', rng.shuffle(records))
}
