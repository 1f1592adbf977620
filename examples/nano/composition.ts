// Composition training records with the exact strings of SPEC 10: write, locate, caption and select, and paragraph edits.
// Articles are text; only selection shows pictures. The assistant prefixes are simply how the answers start.
import {
  type Article,
  article,
  articleText,
  conceptArticle,
  type Encyclopaedia,
  type Language,
  type Paragraph,
  paragraph,
  sentences,
  writeInstruction,
} from './articles.js'
import type { Concept } from './concepts.js'
import { kinds } from './kinds.js'
import { type Random, random } from './random.js'
import { type DialogueRecord, dialogue, imagePlaceholder, type Qa, writeJsonl } from './records.js'
import { type ConceptSprites, linkInto } from './sprites.js'

/** A line of an article; `concept` is what a picture there would show, undefined for lines that need none. */
export interface Line {
  readonly text: string
  readonly concept?: Concept
}

const closings = {
  en: [
    'There is always more to learn.',
    'This is the end of the article.',
    'I hope you enjoyed reading.',
    'Thank you for reading.',
  ],
  zh: ['还有很多东西值得学习。', '这篇文章到此结束。', '希望你喜欢这篇文章。', '谢谢阅读。'],
}
const openings = {
  en: ['This article is about {s}.', 'There is much to tell about {s}.', 'Today we talk about {s}.'],
  zh: ['这篇文章讲的是{s}。', '关于{s}，有很多可以说的。', '今天我们来谈谈{s}。'],
}

/** An article as lines, at times with an opening or closing line that no picture fits. */
export function articleLines(made: Article, language: Language, rng: Random): Line[] {
  const lines: Line[] = made.paragraphs.map((p) => ({ text: p.text, concept: p.concept }))
  if (rng.chance(0.35)) lines.unshift({ text: rng.pick(openings[language]).replace('{s}', made.subject) })
  if (rng.chance(0.35)) lines.push({ text: rng.pick(closings[language]) })
  return lines
}

/** Sections as the prompts show them. */
export function sectionText(lines: readonly Line[]): string {
  return lines.map((line, i) => `<Seg${i}> ${line.text}\n`).join('')
}

/** Lines that get a picture: all that have a concept, or the first `count` of them. */
export function locations(lines: readonly Line[], count?: number): number[] {
  const fit = lines.flatMap((line, i) => (line.concept ? [i] : []))
  return count === undefined ? fit : fit.slice(0, count)
}

/** The locate question and answer; `count` undefined is "automatic". */
export function locateQa(lines: readonly Line[], count?: number): Qa {
  return {
    q: `给定文章"${sectionText(lines)}" 根据上述文章，选择适合插入图像的${count ?? ''}行`,
    a: `适合插入图像的行是${locations(lines, count)
      .map((i) => `<Seg${i}>`)
      .join(' ')}`,
  }
}

/** One caption question per location, each recording the captions before it. */
export function captionQas(lines: readonly Line[], at: readonly number[], language: Language): Qa[] {
  const out: Qa[] = []
  let past = ''
  for (const position of at) {
    const concept = lines[position]?.concept
    if (!concept) continue
    const caption = language === 'en' ? concept.en : concept.zh
    const recorded = past === '' ? '' : `${past.slice(0, -2)}。`
    out.push({
      q: `给定文章"${sectionText(lines.slice(0, position + 2))}" ${recorded}给出适合在<Seg${position}>后插入的图像对应的标题。`,
      a: `标题是"${caption}"`,
    })
    past += `${past === '' ? '现在' : ''}<Seg${position}>后插入图像对应的标题是"${caption}"， `
  }
  return out
}

/** The select question: `pieces` of context with one chosen picture between each, then lettered candidates. */
export function selectQa(pieces: readonly string[], candidates: number, right: number): Qa {
  const letters = 'ABCD'
  const list = Array.from({ length: candidates }, (_, i) => `${letters[i]}.${imagePlaceholder}`).join('\n')
  return {
    q: `根据给定上下文和候选图像，选择合适的配图：${pieces.join(imagePlaceholder)}候选图像包括: ${list}`,
    a: `最合适的图是${letters[right]}`,
  }
}

function anyArticle(book: Encyclopaedia, language: Language, rng: Random): Article {
  return rng.chance(0.6)
    ? article(book, rng.pick(book.subjects(language)), language, rng)
    : conceptArticle(book, rng.pick(book.concepts), language, rng)
}

function editQa(book: Encyclopaedia, language: Language, rng: Random): Qa {
  const concept = rng.pick(book.concepts)
  const join = language === 'en' ? ' ' : ''
  const all = sentences(book, concept, language)
  const short = all[0]!
  const [first, second] = rng.sample(all.slice(1), 2)
  const long = [short, first, second].filter(Boolean).join(join)
  const name = language === 'en' ? concept.en : concept.zh
  const neighbour = (): Paragraph => paragraph(book, rng.pick(book.concepts), language, rng)
  switch (rng.int(0, 4)) {
    case 0:
      return { q: `扩写以下段落：${short}\n基于以下素材：${first ?? name}`, a: long }
    case 1:
      return {
        q: `改写以下段落：${[short, first].filter(Boolean).join(join)}\n基于以下素材：${second ?? name}`,
        a: [short, second ?? first].filter(Boolean).join(join),
      }
    case 2:
      return { q: `缩写以下段落：${long}`, a: short }
    default:
      return {
        q: `在以下两段中插入一段。\n第一段：${neighbour().text}\n第二段：${neighbour().text}\n插入段的大纲：${name}`,
        a: paragraph(book, concept, language, rng).text,
      }
  }
}

/** Instructions for articles: the fixed wording most of the time, others to be kind to users. */
function instruction(subject: string, language: Language, rng: Random): string {
  if (rng.chance(0.75)) return writeInstruction(subject, language)
  return rng.pick(
    language === 'en'
      ? [`Write an article about ${subject}.`, `Write a short text about ${subject}.`, `Write about ${subject}.`]
      : [`写一篇关于${subject}的文章。`, `写一篇介绍${subject}的短文。`, `写写${subject}。`],
  )
}

/** Text side of composition: write, locate, caption, edit. */
export function makeComposition(book: Encyclopaedia): void {
  const rng = random('composition')
  const records: DialogueRecord[] = []
  const add = (turn: Qa): void => {
    records.push(dialogue(`composition${records.length}`, [turn]))
  }
  for (const language of ['en', 'zh'] as const) {
    for (const subject of book.subjects(language)) {
      for (let i = 0; i < (subject.theme ? 8 : 1); i++)
        add({ q: instruction(subject.name, language, rng), a: articleText(article(book, subject, language, rng)) })
    }
    for (const concept of book.concepts) {
      const written = conceptArticle(book, concept, language, rng)
      add({ q: instruction(written.subject, language, rng), a: articleText(written) })
    }
    for (const kind of kinds.values()) {
      const members = book.concepts.filter((c) => kinds.get(c.subgroup) === kind)
      for (let i = 0; i < 6; i++) {
        const subject = { name: language === 'en' ? kind.pluralEn : kind.zh, theme: true, concepts: members }
        add({ q: writeInstruction(subject.name, language), a: articleText(article(book, subject, language, rng)) })
      }
    }
    for (let i = 0; i < 2500; i++) {
      const lines = articleLines(anyArticle(book, language, rng), language, rng)
      const count = rng.pick([undefined, undefined, 1, 2, 3, 4, 6])
      const chosen = locations(lines, count)
      if (chosen.length === 0) continue
      if (i < 1200) add(locateQa(lines, count))
      else add(rng.pick(captionQas(lines, chosen, language)))
    }
    for (let i = 0; i < 600; i++) add(editQa(book, language, rng))
  }
  writeJsonl('sft/composition.jsonl', rng.shuffle(records))
}

/** Picture side of composition: which of two to four candidates fits the paragraph. Only training pictures appear. */
export function makeSelect(book: Encyclopaedia, things: readonly ConceptSprites[], count = 6000): void {
  const rng = random('select')
  const byIcon = new Map(things.filter((t) => t.training.length > 0).map((t) => [t.concept.icon, t]))
  const all = [...byIcon.values()]
  const show = (thing: ConceptSprites): string => linkInto('sft', rng.pick(thing.training).file)
  const records: DialogueRecord[] = []
  while (records.length < count) {
    const language: Language = rng.chance(0.5) ? 'en' : 'zh'
    const made = anyArticle(book, language, rng)
    const wanted = rng.int(1, Math.min(3, made.paragraphs.length))
    const target = byIcon.get(made.paragraphs[wanted - 1]?.concept.icon ?? '')
    if (!target) continue
    // Earlier paragraphs either carry their chosen picture (a piece ends there) or run on without one.
    const pieces: string[] = ['']
    const images: string[] = []
    for (const p of made.paragraphs.slice(0, wanted)) {
      pieces[pieces.length - 1] += `${p.text}\n`
      const thing = byIcon.get(p.concept.icon)
      if (p.concept.icon !== target.concept.icon && thing && rng.chance(0.6)) {
        images.push(show(thing))
        pieces.push('')
      }
    }
    // Five pictures of 64 tokens and the text fit a context of 512.
    const candidates = rng.int(2, 4)
    const near = all.filter((t) => t.concept.subgroup === target.concept.subgroup && t !== target)
    const wrong: ConceptSprites[] = []
    while (wrong.length < candidates - 1) {
      const other = near.length > 3 && rng.chance(0.3) ? rng.pick(near) : rng.pick(all)
      if (other.concept.en !== target.concept.en && !wrong.includes(other)) wrong.push(other)
    }
    const right = rng.int(0, candidates - 1)
    const listed = [...wrong]
    listed.splice(right, 0, target)
    images.push(...listed.map(show))
    const turn = selectQa(pieces, candidates, right)
    if (images.length > 5 || turn.q.length > (language === 'en' ? 560 : 220)) continue
    records.push({
      id: `select${records.length}`,
      image: images,
      conversations: [
        { from: 'user', value: turn.q },
        { from: 'assistant', value: turn.a },
      ],
    })
  }
  writeJsonl('sft/select.jsonl', records)
}
