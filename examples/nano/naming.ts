// Naming pictures of single things, and flags with their countries' facts: pre-training dialogues.

import type { Encyclopaedia } from './articles.js'
import { attributeQuestions, attributes, pairHeldOut } from './countries.js'
import { conceptQa } from './language.js'
import { conceptSideQuestions } from './picture-questions.js'
import { ask, palette } from './questions.js'
import { type Random, random } from './random.js'
import { type DialogueRecord, dialogue, type Qa, writeJsonl } from './records.js'
import { type ConceptSprites, type FlagSprites, linkInto } from './sprites.js'

/** The wording of the evaluation six times out of ten, another one otherwise. */
export function wording(list: readonly string[], rng: Random): string {
  return rng.chance(0.6) ? list[0]! : rng.pick(list)
}

/** Mirroring keeps the meaning, except for clocks and things with a side or with letters. */
export function mayFlip(subgroup: string, icon: string): boolean {
  return subgroup !== 'time' && !/left|right|abc|calendar|letter|input|sign|stop|hotel|bank|atm|music|clock/.test(icon)
}

/** Four dialogues a sprite. Names come first: a name asked later could be copied from the dialogue instead of seen. */
export function makeNaming(things: readonly ConceptSprites[], book: Encyclopaedia): void {
  const rng = random('naming')
  const records: DialogueRecord[] = []
  for (const thing of things)
    for (const sprite of [...thing.training, ...thing.extra]) {
      const { concept } = thing
      const path = linkInto('pretrain', sprite.file)
      const side = rng.shuffle(
        conceptSideQuestions(concept, things, sprite.colour === undefined ? undefined : palette[sprite.colour], rng),
      )
      const facts = conceptQa(book, concept, rng)
      const starts: Qa[] = [
        { q: wording(ask.name.en, rng), a: concept.en },
        { q: wording(ask.name.zh, rng), a: concept.zh },
        rng.chance(0.5) ? { q: ask.name.en[0], a: concept.en } : { q: ask.name.zh[0], a: concept.zh },
      ]
      for (const start of starts) {
        const turns = [start, ...side.splice(0, rng.int(1, 3))]
        if (rng.chance(0.25)) turns.push(rng.pick(facts))
        records.push(dialogue(`naming${records.length}`, turns, [path], mayFlip(concept.subgroup, concept.icon)))
      }
      if (side.length > 0)
        records.push(dialogue(`naming${records.length}`, side.slice(0, 4), [path], mayFlip(concept.subgroup, concept.icon)))
    }
  writeJsonl('pretrain/naming.jsonl', rng.shuffle(records))
}

/** Flags: the country, and those facts about it that are not held out. */
export function makeFlags(flags: readonly FlagSprites[]): void {
  const rng = random('flags')
  const records: DialogueRecord[] = []
  for (const flag of flags)
    for (const sprite of flag.training) {
      const path = linkInto('pretrain', sprite.file)
      const { country } = flag
      const facts = attributes.flatMap((attribute): Qa[] => {
        const fact = country.facts[attribute]
        if (!fact || pairHeldOut(country.code, attribute)) return []
        const { flagEn, flagZh } = attributeQuestions[attribute]
        return [
          { q: flagEn, a: fact.en },
          { q: flagZh, a: fact.zh },
        ]
      })
      const left = rng.shuffle(facts)
      for (const start of [
        { q: wording(ask.flag.en, rng), a: country.en },
        { q: wording(ask.flag.zh, rng), a: country.zh },
      ])
        records.push(dialogue(`flags${records.length}`, [start, ...left.splice(0, rng.int(1, 2))], [path]))
      for (let i = 0; i < 2; i++) {
        const turns = rng.sample(facts, 3)
        if (turns.length > 0) records.push(dialogue(`flags${records.length}`, turns, [path]))
      }
    }
  writeJsonl('pretrain/flags.jsonl', rng.shuffle(records))
}
