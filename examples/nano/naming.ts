// Pictures of single things, named and asked about, and flags with their countries' facts.
import { join } from 'node:path'
import type { Generator } from '../../src/data/drawn.js'
import type { Encyclopaedia } from './articles.js'
import type { Concept } from './concepts.js'
import { attributeQuestions, type Country, trainedAttributes } from './countries.js'
import { kinds } from './kinds.js'
import { conceptQa } from './language.js'
import { workRoot } from './paths.js'
import { conceptSideQuestions } from './picture-questions.js'
import { ask, type Colour, palette } from './questions.js'
import { random } from './random.js'
import type { Qa } from './records.js'
import { asked, unique, wording } from './samples.js'
import type { ConceptSprites, FlagSprites, Sprite } from './sprites.js'

/** Mirroring keeps the meaning, except for clocks and things with a side or with letters. */
export function mayFlip(subgroup: string, icon: string): boolean {
  return subgroup !== 'time' && !/left|right|abc|calendar|letter|input|sign|stop|hotel|bank|atm|music|clock/.test(icon)
}

/** The colour that covers most of a sprite, if any. */
export function mainColour(sprite: Sprite): Colour | undefined {
  return sprite.colour === undefined ? undefined : palette[sprite.colour]
}

/** What a picture shares with others: its kind, its colour, its keywords. */
function sharedWords(concept: Concept, main: Colour | undefined): string[] {
  const kind = kinds.get(concept.subgroup)
  return [...new Set([...(kind ? [kind.en] : []), ...(main ? [main.en] : []), ...concept.tagsEn.slice(0, 5)])]
}

/** Training pictures of concepts: both names, and four or five further questions. */
export function drawnThings(things: readonly ConceptSprites[], book: Encyclopaedia): Generator {
  const shown = things.flatMap(({ concept, training, extra }) => {
    const sprites = [...training, ...extra]
    return sprites.length > 0 ? [{ concept, sprites }] : []
  })
  const words = shown.flatMap(({ concept, sprites }) => sprites.flatMap((sprite) => sharedWords(concept, mainColour(sprite))))
  return {
    labels: { names: unique(shown.map((s) => s.concept.en)), words: unique(words) },
    draw(seed, number) {
      const rng = random(`things-${seed}-${number}`)
      const { concept, sprites } = rng.pick(shown)
      const sprite = rng.pick(sprites)
      const main = mainColour(sprite)
      const turns: Qa[] = [
        { q: wording(ask.name.en, rng), a: concept.en },
        { q: wording(ask.name.zh, rng), a: concept.zh },
        ...rng.sample(conceptSideQuestions(concept, things, main, rng), rng.int(3, 4)),
      ]
      if (rng.chance(0.25)) turns.push(...rng.sample(conceptQa(book, concept, rng), 1))
      return {
        image: join(workRoot, sprite.file),
        questions: asked(turns),
        labels: { name: concept.en, words: sharedWords(concept, main) },
        flip: mayFlip(concept.subgroup, concept.icon),
      }
    },
  }
}

/** The facts of a country that may be asked of its flag. */
function flagFacts(country: Country): Qa[] {
  return trainedAttributes(country).flatMap((attribute): Qa[] => {
    const fact = country.facts[attribute]!
    const { flagEn, flagZh } = attributeQuestions[attribute]
    return [
      { q: flagEn, a: fact.en },
      { q: flagZh, a: fact.zh },
    ]
  })
}

/** Training pictures of flags: the country, and three or four facts about it that are not held out. */
export function drawnFlags(flags: readonly FlagSprites[]): Generator {
  const shown = flags.filter((flag) => flag.training.length > 0)
  return {
    labels: { names: unique(shown.map((flag) => flag.country.en)), words: ['flag'] },
    draw(seed, number) {
      const rng = random(`flags-${seed}-${number}`)
      const { country, training } = rng.pick(shown)
      const turns: Qa[] = [
        { q: wording(ask.flag.en, rng), a: country.en },
        { q: wording(ask.flag.zh, rng), a: country.zh },
        ...rng.sample(flagFacts(country), rng.int(3, 4)),
      ]
      return {
        image: join(workRoot, rng.pick(training).file),
        questions: asked(turns),
        labels: { name: country.en, words: ['flag'] },
      }
    },
  }
}
