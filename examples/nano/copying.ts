// Practice in repeating, in text alone: a picture told in one to three facts and a question whose answer stands among them. What is
// repeated is often nothing that has a meaning (made-up names, random numbers and places), so that it cannot be known, only copied.
import type { DrawnQuestion, Generator } from '../../src/data/drawn.js'
import type { Language } from './articles.js'
import { boxText } from './boxes.js'
import { ask, type Colour, palette, slots } from './questions.js'
import { type Random, random } from './random.js'
import { wording } from './samples.js'
import { sceneSize } from './scenes.js'

/** What names are taken from; letter strings are made up besides. */
export interface CopyingWords {
  /** Names in both languages: of concepts, of emoji. */
  readonly names: readonly { readonly en: string; readonly zh: string }[]
  readonly countries: readonly { readonly en: string; readonly zh: string }[]
  /** Everyday English words, some of several parts. */
  readonly english: readonly string[]
  /** Texts of pictures of words. */
  readonly text: (rng: Random) => string
}

/** A fact in a word or two and in sentences of either tone, and what can be asked about it. */
interface Fact {
  readonly short: string
  readonly sentence: string
  readonly asks: readonly DrawnQuestion[]
}

/** What one description has used: everything in it is named once. */
interface Telling {
  readonly language: Language
  readonly rng: Random
  readonly words: CopyingWords
  readonly used: Set<string>
}

const letters = (rng: Random, low: number, high: number): string =>
  Array.from({ length: rng.int(low, high) }, () => String.fromCharCode(rng.int(97, 122))).join('')

function fresh(telling: Telling, make: () => string): string {
  let text = make()
  while (telling.used.has(text)) text = make()
  telling.used.add(text)
  return text
}

/** A name: of something real, another everyday word, or made up. */
function nameIn(telling: Telling): string {
  const { language, rng, words } = telling
  return fresh(telling, () => {
    const kind = rng.next()
    if (kind < 0.5) return rng.pick(words.names)[language]
    if (language === 'en') return kind < 0.75 ? rng.pick(words.english) : letters(rng, 2, 7)
    // Two halves of names make one that nothing has.
    const half = (text: string) => [...text].slice(0, rng.int(1, 2)).join('')
    return kind < 0.9 ? half(rng.pick(words.names).zh) + half(rng.pick(words.names).zh) : letters(rng, 2, 7)
  })
}

const colourIn = (telling: Telling): Colour => {
  const en = fresh(telling, () => telling.rng.pick(palette).en)
  return palette.find((c) => c.en === en)!
}

function boxIn(telling: Telling): string {
  const { rng } = telling
  return fresh(telling, () => {
    const width = rng.int(8, 52)
    const height = rng.int(8, 52)
    const left = rng.int(0, sceneSize - width)
    const top = rng.int(0, sceneSize - height)
    return boxText({ left, top, right: left + width, bottom: top + height }, sceneSize)
  })
}

const numberIn = (rng: Random): string => String(rng.int(0, rng.pick([9, 99, 99, 999, 9999])))

/** Wordings of one kind of fact: {n} a name, {v} what is said of it. */
interface Wording {
  readonly short: Readonly<Record<Language, string>>
  readonly sentences: Readonly<Record<Language, readonly string[]>>
}
const say = (wordings: Wording, { language, rng }: Telling, n: string, v = ''): Pick<Fact, 'short' | 'sentence'> => {
  const fill = (text: string) => text.replaceAll('{n}', n).replaceAll('{v}', v)
  return { short: fill(wordings.short[language]), sentence: fill(rng.pick(wordings.sentences[language])) }
}
type Both = Readonly<Record<Language, readonly string[]>>
const asking = (list: Both, { language, rng }: Telling, values: { n?: string; b?: string } = {}): string =>
  slots(wording(list[language], rng), values)

const same = (short: string) => ({ en: short, zh: short })
const wordings = {
  name: {
    short: same('{n}'),
    sentences: {
      en: ['This is the {n}.', 'The picture shows the {n}.', 'You see the {n}.', 'A picture of the {n}.'],
      zh: ['这是{n}。', '图里是{n}。', '你看到了{n}。', '一张{n}的图片。'],
    },
  },
  place: {
    short: same('{n} {v}'),
    sentences: {
      en: ['The {n} is at {v}.', 'At {v} is the {n}.', 'There is the {n} at {v}.'],
      zh: ['{n}在{v}。', '{v}处是{n}。', '{v}处有{n}。'],
    },
  },
  colour: {
    short: { en: '{v} {n}', zh: '{v}的{n}' },
    sentences: {
      en: ['The {n} is {v}.', 'There is the {n}, which is {v}.', 'The colour of the {n} is {v}.'],
      zh: ['{n}是{v}。', '有{v}的{n}。', '{n}的颜色是{v}。'],
    },
  },
  count: {
    short: { en: '{v} of the {n}', zh: '{v}个{n}' },
    sentences: {
      en: ['There are {v} of the {n}.', 'The picture shows {v} of the {n}.', 'I count {v} of the {n}.'],
      zh: ['有{v}个{n}。', '图里有{v}个{n}。', '我数到{v}个{n}。'],
    },
  },
  value: {
    short: same('{n} {v}'),
    sentences: {
      en: ['The value of the {n} is {v}.', 'The {n} has the value {v}.', 'The {n} stands at {v}.'],
      zh: ['{n}的值是{v}。', '{n}的数值为{v}。'],
    },
  },
  text: {
    short: same('{v}'),
    sentences: {
      en: ['The text reads {v}.', 'It is written {v}.', 'The letters are {v}.', 'Somebody wrote {v}.'],
      zh: ['写的是{v}。', '文字是{v}。', '上面写着{v}。'],
    },
  },
  ink: {
    short: { en: '{v} text', zh: '{v}文字' },
    sentences: { en: ['The text is {v}.', 'The ink is {v}.'], zh: ['文字是{v}的。', '字的颜色是{v}。'] },
  },
  paper: {
    short: { en: '{v} background', zh: '{v}背景' },
    sentences: { en: ['The background is {v}.', 'All this on a {v} background.'], zh: ['背景是{v}。', '在{v}背景上。'] },
  },
  word: {
    short: { en: 'the word {n}', zh: '词{n}' },
    sentences: {
      en: ['The word is {n}.', 'Remember the word {n}.', 'Someone says "{n}".'],
      zh: ['这个词是{n}。', '请记住{n}这个词。'],
    },
  },
  number: {
    short: { en: 'number {v}', zh: '数字{v}' },
    sentences: { en: ['The number is {v}.', 'Remember the number {v}.'], zh: ['数字是{v}。', '请记住数字{v}。'] },
  },
  flag: {
    short: { en: 'the flag of {n}', zh: '{n}的国旗' },
    sentences: { en: ['This is the flag of {n}.', 'You see the flag of {n}.'], zh: ['这是{n}的国旗。', '图里是{n}的国旗。'] },
  },
} as const satisfies Record<string, Wording>

// Questions that no picture is asked.
const further = {
  value: { en: ['What is the value of the {n}?', 'Which value has the {n}?'], zh: ['{n}的值是多少？', '{n}的数值是多少？'] },
  colourOf: { en: ['What colour is the {n}?'], zh: ['{n}是什么颜色？'] },
  ofColour: { en: ['What is {n}?', 'Which thing is {n}?'], zh: ['什么是{n}的？', '{n}的是什么？'] },
  ofValue: { en: ['What has the value {n}?'], zh: ['什么的值是{n}？'] },
  word: { en: ['Which word is it?', 'Repeat the word.'], zh: ['是哪个词？', '重复这个词。'] },
  number: { en: ['Which number is it?', 'Repeat the number.'], zh: ['是什么数字？', '重复这个数字。'] },
  paper: { en: ['What colour is the background?'], zh: ['背景是什么颜色？'] },
} as const satisfies Record<string, Both>

const kinds = {
  name(telling) {
    const n = nameIn(telling)
    return { ...say(wordings.name, telling, n), asks: [{ question: asking(ask.name, telling), answer: n }] }
  },
  place(telling) {
    const n = nameIn(telling)
    const b = boxIn(telling)
    return {
      ...say(wordings.place, telling, n, b),
      asks: [
        { question: asking(ask.where, telling, { n }), answer: b },
        { question: asking(ask.at, telling, { b }), answer: n },
      ],
    }
  },
  colour(telling) {
    const n = nameIn(telling)
    const c = colourIn(telling)[telling.language]
    return {
      ...say(wordings.colour, telling, n, c),
      asks: [
        { question: asking(further.colourOf, telling, { n }), answer: c },
        { question: asking(further.ofColour, telling, { n: c }), answer: n },
      ],
    }
  },
  count(telling) {
    const n = nameIn(telling)
    const v = String(telling.rng.int(1, 9))
    return { ...say(wordings.count, telling, n, v), asks: [{ question: asking(ask.count, telling, { n }), answer: v }] }
  },
  value(telling) {
    const n = nameIn(telling)
    const v = fresh(telling, () => numberIn(telling.rng))
    return {
      ...say(wordings.value, telling, n, v),
      asks: [
        { question: asking(further.value, telling, { n }), answer: v },
        { question: asking(further.ofValue, telling, { n: v }), answer: n },
      ],
    }
  },
  text(telling) {
    const { rng } = telling
    const text = rng.chance(0.3) ? letters(rng, 2, 7) : telling.words.text(rng)
    // Letters are the same in both languages: the question need not be in that of the description.
    const question = rng.pick([wording(ask.read.en, rng), wording(ask.read.zh, rng)])
    return { ...say(wordings.text, telling, '', [...text].join(' ')), asks: [{ question, answer: text, spelled: true }] }
  },
  ink(telling) {
    const c = colourIn(telling)[telling.language]
    return { ...say(wordings.ink, telling, '', c), asks: [{ question: asking(ask.inkColour, telling), answer: c }] }
  },
  paper(telling) {
    const c = colourIn(telling)[telling.language]
    return { ...say(wordings.paper, telling, '', c), asks: [{ question: asking(further.paper, telling), answer: c }] }
  },
  word(telling) {
    const n = nameIn(telling)
    return { ...say(wordings.word, telling, n), asks: [{ question: asking(further.word, telling), answer: n }] }
  },
  number(telling) {
    const v = fresh(telling, () => numberIn(telling.rng))
    return { ...say(wordings.number, telling, '', v), asks: [{ question: asking(further.number, telling), answer: v }] }
  },
  flag(telling) {
    const n = telling.rng.pick(telling.words.countries)[telling.language]
    return { ...say(wordings.flag, telling, n), asks: [{ question: asking(ask.flag, telling), answer: n }] }
  },
  chart(telling) {
    const { language, rng } = telling
    const bars = Array.from({ length: rng.int(2, 4) }, () => ({
      n: colourIn(telling)[language],
      v: fresh(telling, () => String(rng.int(1, 99))),
    }))
    const kind = language === 'en' ? 'bar chart' : '柱状图'
    const short = `${kind}, ${bars.map(({ n, v }) => `${n} ${v}`).join(', ')}`
    return {
      short,
      sentence: language === 'en' ? `This is a ${short}.` : `这是${short}。`,
      asks: bars.map(({ n, v }) => ({ question: asking(ask.barValue, telling, { n }), answer: v })),
    }
  },
} as const satisfies Record<string, (telling: Telling) => Fact>
type Kind = keyof typeof kinds

// Kinds that may stand two or three times in a description.
const many: readonly Kind[] = ['place', 'place', 'colour', 'count', 'value']
// Of each group at most one fact stands in a description of different kinds: "What is this?" asks for the only thing named.
const groups: readonly (readonly Kind[])[] = [
  ['name', 'name', 'place', 'colour', 'count', 'value', 'flag', 'chart'],
  ['text', 'text', 'word', 'number'],
  ['text', 'ink', 'paper', 'number'],
]

/** A description with a question about one fact of it. */
function told(words: CopyingWords, rng: Random): DrawnQuestion {
  const language: Language = rng.chance(0.5) ? 'en' : 'zh'
  const telling: Telling = { language, rng, words, used: new Set() }
  const chosen = rng.chance(0.4)
    ? Array<Kind>(rng.int(1, 3)).fill(rng.pick(many))
    : [...new Set(rng.sample(groups, rng.int(1, 3)).map((group) => rng.pick(group)))]
  const facts = chosen.map((kind): Fact => kinds[kind](telling))
  const about = rng.pick(rng.pick(facts).asks)
  const listed = facts.map((fact) => fact.short).join(', ')
  const description = rng.chance(0.5)
    ? facts.map((fact) => fact.sentence).join(language === 'en' ? ' ' : '')
    : language === 'en'
      ? `Picture: ${listed}.`
      : `图片：${listed}。`
  return { ...about, question: `${description}\n${about.question}` }
}

/** Four descriptions a sample, each with its question. */
export function drawnCopying(words: CopyingWords): Generator {
  return {
    draw(seed, number) {
      const rng = random(`copying-${seed}-${number}`)
      return { questions: Array.from({ length: 4 }, () => told(words, rng)) }
    },
  }
}
