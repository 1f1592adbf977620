// Wordier talk about pictures of things and flags: answers of a sentence or two, multiple choice, and the request for a short answer.
import { join } from 'node:path'
import type { Generator } from '../../src/data/drawn.js'
import { type Encyclopaedia, hasUse, sentences, subjectPhrase } from './articles.js'
import { attributeQuestions, type Country, fill, trainedAttributes } from './countries.js'
import { kinds } from './kinds.js'
import { mainColour, mayFlip } from './naming.js'
import { workRoot } from './paths.js'
import { ask } from './questions.js'
import { type Random, random } from './random.js'
import type { Qa } from './records.js'
import { asked } from './samples.js'
import type { ConceptSprites, FlagSprites, Sprite } from './sprites.js'

/** A multiple-choice naming question in the wording of SPEC 12. */
export function multipleChoice(right: string, wrong: readonly string[], question: string, rng: Random): Qa {
  const at = rng.int(0, wrong.length)
  const options = [...wrong]
  options.splice(at, 0, right)
  const letters = 'ABCD'
  const list = options.map((option, i) => `${letters[i]}. ${option}`).join(' ')
  return { q: `Question: ${question}\nContext: N/A\nOptions: ${list}`, a: `The answer is ${letters[at]}` }
}

/** Wordy questions about a sprite with answers of one or two sentences. */
function sentenceQuestions(book: Encyclopaedia, thing: ConceptSprites, sprite: Sprite, rng: Random): { en: Qa[]; zh: Qa[] } {
  const { concept } = thing
  const kind = kinds.get(concept.subgroup)
  const main = mainColour(sprite)
  const the = subjectPhrase(concept.en).replace(/^The /, 'the ')
  const sayEn = `This is ${the}.${main && rng.chance(0.7) ? ` It is mostly ${main.en}.` : ''}`
  const sayZh = `这是${concept.zh}。${main && rng.chance(0.7) ? `它大部分是${main.zh}。` : ''}`
  return {
    en: [
      { q: rng.pick(ask.describe.en), a: sayEn },
      { q: 'Please tell me what you see in this picture.', a: `I see ${the}.` },
      {
        q: 'What is this, and what do you know about it?',
        a: `This is ${the}. ${rng.pick(sentences(book, concept, 'en').slice(0, 2))}`,
      },
      ...(kind && hasUse(concept)
        ? [{ q: 'Explain what this is good for.', a: `${subjectPhrase(concept.en)} is good for ${kind.useEn}.` }]
        : []),
    ],
    zh: [
      { q: rng.pick(ask.describe.zh), a: sayZh },
      { q: '请告诉我你在图里看到了什么。', a: `我看到了${concept.zh}。` },
      { q: '这是什么？请介绍一下。', a: `这是${concept.zh}。${rng.pick(sentences(book, concept, 'zh').slice(0, 2))}` },
      ...(kind && hasUse(concept) ? [{ q: '请说明它有什么用。', a: `${concept.zh}可以用来${kind.useZh}。` }] : []),
    ],
  }
}

function choice(thing: ConceptSprites, things: readonly ConceptSprites[], language: 'en' | 'zh', rng: Random): Qa {
  const { concept } = thing
  const wrong: string[] = []
  while (wrong.length < 3) {
    const other = rng.pick(things).concept
    const name = other[language]
    if (other.en !== concept.en && other.zh !== concept.zh && !wrong.includes(name)) wrong.push(name)
  }
  return multipleChoice(concept[language], wrong, ask.name[language][0], rng)
}

/** A flag in a sentence, with a fact that is not held out. */
function flagSentence(country: Country, language: 'en' | 'zh', rng: Random): Qa {
  const known = trainedAttributes(country)
  const attribute = known.length > 0 ? rng.pick(known) : undefined
  const fact = attribute && country.facts[attribute]
  const tell = fact
    ? fill(attributeQuestions[attribute][language === 'en' ? 'factEn' : 'factZh'][0]!, country[language], fact[language])
    : ''
  return language === 'en'
    ? { q: 'Describe the picture.', a: `This is the flag of ${country.en}. ${tell}`.trim() }
    : { q: '描述这张图。', a: `这是${country.zh}的国旗。${tell}` }
}

const request = 'Answer the question using a single word or phrase.'

/** Puts the evaluation's request for a short answer in front of a question (SPEC 12, "short"). */
export function askShortly({ q, a }: Qa): Qa {
  return { q: `${request}${q}`, a }
}

/** Training pictures of things, one in eight of a flag. */
export function drawnWordy(things: readonly ConceptSprites[], flags: readonly FlagSprites[], book: Encyclopaedia): Generator {
  const shown = things.filter((thing) => thing.training.length > 0)
  const shownFlags = flags.filter((flag) => flag.training.length > 0)
  return {
    draw(seed, number) {
      const rng = random(`wordy-${seed}-${number}`)
      if (rng.chance(1 / 8)) {
        const { country, training } = rng.pick(shownFlags)
        const turns = [
          flagSentence(country, 'en', rng),
          flagSentence(country, 'zh', rng),
          askShortly({ q: ask.flag.en[0], a: country.en }),
          askShortly({ q: ask.flag.zh[0], a: country.zh }),
        ]
        return { image: join(workRoot, rng.pick(training).file), questions: asked(turns) }
      }
      const thing = rng.pick(shown)
      const { concept } = thing
      const sprite = rng.pick([...thing.training, ...thing.extra])
      const { en, zh } = sentenceQuestions(book, thing, sprite, rng)
      const turns = [
        ...rng.sample(en, 1),
        ...rng.sample(zh, 1),
        choice(thing, shown, 'en', rng),
        choice(thing, shown, 'zh', rng),
        askShortly({ q: ask.name.en[0], a: concept.en }),
        askShortly({ q: ask.name.zh[0], a: concept.zh }),
      ]
      return { image: join(workRoot, sprite.file), questions: asked(turns), flip: mayFlip(concept.subgroup, concept.icon) }
    },
  }
}
