// What nano can say about a concept in one or two sentences, and articles built from such paragraphs.
// Every sentence comes from a dictionary gloss, a keyword or a hand-written fact about the kind; nothing knows pictures.
import type { Concept } from './concepts.js'
import { kinds } from './kinds.js'
import type { Colour } from './questions.js'
import type { Random } from './random.js'
import { themes } from './themes.js'
import { glossSentence, type WordNet, withArticle } from './wordnet.js'

export type Language = 'en' | 'zh'

export interface Encyclopaedia {
  readonly concepts: readonly Concept[]
  /** "A red apple is a fruit with ...", when WordNet has a sense that fits the kind. */
  gloss(concept: Concept): string | undefined
  /** Its main colour, when the pictures it is trained on agree. */
  colour(concept: Concept): Colour | undefined
  /** Subjects of articles with their concepts, per language. */
  subjects(language: Language): readonly Subject[]
}

export interface Subject {
  readonly name: string
  /** Written by hand: what people are likely to ask for, so it is practised more. */
  readonly theme: boolean
  readonly concepts: readonly Concept[]
}

/** A paragraph and the concept it is about. */
export interface Paragraph {
  readonly text: string
  readonly concept: Concept
}

export interface Article {
  readonly subject: string
  readonly paragraphs: readonly Paragraph[]
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** "the red apple" reads better than "a red apple" in a subject position, and is always grammatical. */
export function subjectPhrase(name: string): string {
  return capital(/^(the|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b/.test(name) ? name : `the ${name}`)
}

function kindOf(concept: Concept) {
  const kind = kinds.get(concept.subgroup)
  if (!kind) throw new RangeError(`no kind is written for subgroup "${concept.subgroup}": add a row to kinds.ts`)
  return kind
}

const headed = /^(animal|plant|food|drink|place-building|transport|clothing|musical)/

/** Builds the lookup tables once. */
export function encyclopaedia(
  concepts: readonly Concept[],
  wordnet: WordNet,
  colours: ReadonlyMap<string, Colour> = new Map(),
): Encyclopaedia {
  const glosses = new Map<string, string>()
  for (const concept of concepts) {
    const name = concept.en.replace(/^(face with|person) /, '')
    const base = concept.subgroup.startsWith('animal') ? name.replace(/ face$/, '') : name
    const head = base.split(' ').at(-1) ?? base
    // A clock face showing three o'clock is not "a period of time": numbers and times have no useful gloss.
    if (/o’clock|thirty|moon face/.test(base)) continue
    // The last word names the kind of an animal or a dish; of other things it often means something else (party popper).
    const byHead = head !== base && headed.test(concept.subgroup) && head !== 'face'
    const found = wordnet.find(base, kindOf(concept).senses) ?? (byHead ? wordnet.find(head, kindOf(concept).senses) : undefined)
    if (found && found.text.length <= 140) glosses.set(concept.icon, glossSentence(found.lemma, found.text))
  }
  const subjectsOf = (language: Language): Subject[] => {
    const out: Subject[] = []
    const groups = new Map<string, Concept[]>()
    const add = (name: string, concept: Concept) => {
      const list = groups.get(name)
      if (list) list.push(concept)
      else groups.set(name, [concept])
    }
    for (const concept of concepts) {
      const kind = kindOf(concept)
      add(language === 'en' ? kind.pluralEn : kind.zh, concept)
      for (const tag of language === 'en' ? concept.tagsEn : concept.tagsZh)
        if (/^[a-z ]{3,}$|^[\u4e00-\u9fff]{2,}$/.test(tag)) add(tag, concept)
    }
    const byHand = new Set(themes.map((t) => (language === 'en' ? t.en : t.zh)))
    for (const theme of themes)
      for (const concept of concepts)
        if (theme.icons.includes(concept.icon)) add(language === 'en' ? theme.en : theme.zh, concept)
    for (const [name, members] of groups) {
      const list = [...new Set(members)]
      if (list.length >= 3) out.push({ name, theme: byHand.has(name), concepts: list })
    }
    return out
  }
  const subjects = { en: subjectsOf('en'), zh: subjectsOf('zh') }
  return {
    concepts,
    gloss: (concept) => glosses.get(concept.icon),
    colour: (concept) => colours.get(concept.icon),
    subjects: (language) => subjects[language],
  }
}

/** Animals and the weather are not "used for" anything. */
export function hasUse(concept: Concept): boolean {
  return !/^animal|^sky/.test(concept.subgroup)
}

/** True sentences about one concept, the defining one first. */
export function sentences(book: Encyclopaedia, concept: Concept, language: Language): string[] {
  const kind = kindOf(concept)
  const colour = book.colour(concept)
  if (language === 'en') {
    const the = subjectPhrase(concept.en)
    const out = [book.gloss(concept) ?? `${the} belongs to the group of ${kind.pluralEn}.`]
    const tags = concept.tagsEn.slice(0, 3)
    if (tags.length >= 2) out.push(`${the} makes people think of ${tags.slice(0, -1).join(', ')} and ${tags.at(-1)}.`)
    if (colour) out.push(`${the} is mostly ${colour.en}.`)
    if (hasUse(concept)) out.push(`${the} is good for ${kind.useEn}.`)
    return [...out, ...kind.factsEn]
  }
  // "一种时间" is no Chinese: only kinds that are countable things take it.
  const out = [
    /^(time|sky|place|hotel|money|mail|event|music$|sport|arts|light|medical)/.test(concept.subgroup)
      ? `${concept.zh}属于${kind.zh}这一类。`
      : `${concept.zh}是一种${kind.zh}。`,
  ]
  const tags = concept.tagsZh.slice(0, 3)
  if (tags.length >= 2) out.push(`说到${concept.zh}，人们会想到${tags.join('、')}。`)
  if (colour) out.push(`${concept.zh}大多是${colour.zh}的。`)
  if (hasUse(concept)) out.push(`${concept.zh}可以用来${kind.useZh}。`)
  return [...out, ...kind.factsZh]
}

/** One paragraph: the concept is named in its first sentence, one more sentence may follow. */
export function paragraph(book: Encyclopaedia, concept: Concept, language: Language, rng: Random): Paragraph {
  const all = sentences(book, concept, language)
  const first = all[0]!
  const rest = rng.sample(all.slice(1), rng.chance(0.75) ? 1 : 0)
  const named = first.toLowerCase().includes(concept.en.toLowerCase()) || language === 'zh'
  const opening = named
    ? first
    : `${rng.pick(['Here is', 'Look at', 'This is', 'Now we see'])} ${subjectPhrase(concept.en).replace(/^The /, 'the ')}. ${first}`
  return { text: [opening, ...rest].join(language === 'en' ? ' ' : ''), concept }
}

const openingsEn = [
  'There is much to tell about {s}.',
  'Let us talk about {s}.',
  'This is a short article about {s}.',
  'Many people like {s}.',
  'What do you know about {s}?',
]
const openingsZh = [
  '关于{s}，有很多可以说的。',
  '让我们来谈谈{s}。',
  '这是一篇关于{s}的短文。',
  '很多人喜欢{s}。',
  '你了解{s}吗？',
]

/** An article of three to five paragraphs, each about one concept of the subject. */
export function article(book: Encyclopaedia, subject: Subject, language: Language, rng: Random): Article {
  const chosen = rng.sample(subject.concepts, rng.int(3, 5))
  const paragraphs = chosen.map((concept) => paragraph(book, concept, language, rng))
  const first = paragraphs[0]
  if (first && rng.chance(0.6)) {
    const opening = rng.pick(language === 'en' ? openingsEn : openingsZh).replace('{s}', subject.name)
    paragraphs[0] = { ...first, text: `${opening}${language === 'en' ? ' ' : ''}${first.text}` }
  }
  return { subject: subject.name, paragraphs }
}

/** A concept as a subject: itself first, then its relatives. */
export function conceptSubject(book: Encyclopaedia, concept: Concept, language: Language, rng: Random): Subject {
  const relatives = book.concepts.filter((other) => other.subgroup === concept.subgroup && other !== concept)
  return { name: language === 'en' ? concept.en : concept.zh, theme: false, concepts: [concept, ...rng.sample(relatives, 4)] }
}

/** An article whose first paragraph is about the concept itself. */
export function conceptArticle(book: Encyclopaedia, concept: Concept, language: Language, rng: Random): Article {
  const subject = conceptSubject(book, concept, language, rng)
  const count = rng.int(3, Math.min(5, Math.max(3, subject.concepts.length)))
  return { subject: subject.name, paragraphs: subject.concepts.slice(0, count).map((c) => paragraph(book, c, language, rng)) }
}

/** The instruction that asks for an article (SPEC 10 step 1). */
export function writeInstruction(subject: string, language: Language): string {
  return language === 'en' ? `Write a short illustrated article about ${subject}.` : `写一篇关于${subject}的图文短文。`
}

/** The article as the assistant writes it: one paragraph a line. */
export function articleText(made: Article): string {
  return made.paragraphs.map((p) => p.text).join('\n')
}

export { withArticle }
