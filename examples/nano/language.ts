// The text corpus: dictionary sentences, concept facts, translations, countries, recipes, and the same articles and
// dialogues that fine-tuning uses. Plain documents go to documents.jsonl, turns to dialogues.jsonl,
// written articles to articles.jsonl.
import { join } from 'node:path'
import {
  article,
  articleText,
  conceptArticle,
  type Encyclopaedia,
  hasUse,
  paragraph,
  sentences,
  subjectPhrase,
  writeInstruction,
} from './articles.js'
import type { Concept, Named } from './concepts.js'
import { attributeQuestions, attributes, type Country, countryQa, fill } from './countries.js'
import { kinds } from './kinds.js'
import { packageJson, workRoot, writeWhole } from './paths.js'
import { crc32, type Random, random } from './random.js'
import { type DialogueRecord, dialogue, groupTurns, type Qa, type TextRecord, writeJsonl } from './records.js'
import { glossSentence, type WordNet, withArticle } from './wordnet.js'

/** Text questions about one concept in both languages. */
export function conceptQa(book: Encyclopaedia, concept: Concept, rng: Random): Qa[] {
  const kind = kinds.get(concept.subgroup)
  if (!kind) return []
  const otherKind = rng.pick([...kinds.values()].filter((k) => k !== kind))
  const gloss = book.gloss(concept)
  const a = withArticle(concept.en)
  const out: Qa[] = [
    { q: `What kind of thing is ${a}?`, a: kind.en },
    { q: `${concept.zh}是哪一类东西？`, a: kind.zh },
    { q: `How do you say "${concept.en}" in Chinese?`, a: concept.zh },
    { q: `Translate to Chinese: ${concept.en}`, a: concept.zh },
    { q: `"${concept.zh}"用英语怎么说？`, a: concept.en },
    { q: `把"${concept.zh}"翻译成英语。`, a: concept.en },
    { q: `Is the ${concept.en} one of the ${kind.pluralEn}?`, a: 'Yes' },
    { q: `Is the ${concept.en} one of the ${otherKind.pluralEn}?`, a: 'No' },
    { q: `${concept.zh}是${kind.zh}吗？`, a: '是' },
    { q: `${concept.zh}是${otherKind.zh}吗？`, a: '不是' },
    { q: `${concept.zh}和什么有关？`, a: concept.tagsZh.slice(0, 3).join('、') || kind.zh },
    { q: `Give keywords for the ${concept.en}.`, a: concept.tagsEn.slice(0, 3).join(', ') || kind.en },
    { q: `介绍一下${concept.zh}。`, a: sentences(book, concept, 'zh').slice(0, 2).join('') },
    { q: `Tell me about the ${concept.en}.`, a: sentences(book, concept, 'en').slice(0, 2).join(' ') },
  ]
  if (hasUse(concept))
    out.push({ q: `What is the ${concept.en} good for?`, a: kind.useEn }, { q: `${concept.zh}可以用来做什么？`, a: kind.useZh })
  const main = book.colour(concept)
  if (main)
    out.push({ q: `What colour is the ${concept.en} mostly?`, a: main.en }, { q: `${concept.zh}大多是什么颜色？`, a: main.zh })
  if (gloss) out.push({ q: `What is ${a}?`, a: gloss })
  return out
}

/** Lists of members of a kind, small sums and comparisons: the glue of instructions. */
export function listQa(book: Encyclopaedia, count: number, rng: Random): Qa[] {
  const out: Qa[] = []
  for (let i = 0; i < count; i++) {
    const [id, kind] = rng.pick([...kinds])
    const members = rng.sample(
      book.concepts.filter((c) => c.subgroup === id),
      3,
    )
    if (members.length < 3) continue
    if (rng.chance(0.5)) out.push({ q: `Name three ${kind.pluralEn}.`, a: members.map((c) => c.en).join(', ') })
    else out.push({ q: `说出三种${kind.zh}。`, a: members.map((c) => c.zh).join('、') })
  }
  for (let a = 0; a <= 9; a++)
    for (let b = 0; b <= 9; b++) {
      out.push({ q: `What is ${a} plus ${b}?`, a: String(a + b) }, { q: `${a}加${b}等于多少？`, a: String(a + b) })
      if (a !== b) out.push({ q: `Which is larger, ${a} or ${b}?`, a: String(Math.max(a, b)) })
    }
  return out
}

interface Recipe {
  readonly name: string
  readonly category: string
  readonly steps: readonly { description: string }[]
}

/** Chinese recipes as short documents; links and markdown are dropped. */
export function recipeDocuments(): string[] {
  const clean = (text: string): string =>
    text
      .replace(/!?\[[^\]]*\]\([^)]*\)/g, '')
      .replace(/https?:\S+/g, '')
      .replace(/[*_`#>|]/g, '')
      .replace(/\s+/g, ' ')
      .trim()
  return packageJson<Recipe[]>('howtocook-mcp/all_recipes.json').flatMap((recipe) => {
    const steps = recipe.steps.map((step) => clean(step.description)).filter((s) => s.length > 3 && s.length < 120)
    if (steps.length < 2) return []
    return [
      `${clean(recipe.name)}\n${steps
        .slice(0, 8)
        .map((s, i) => `${i + 1}. ${s}`)
        .join('\n')}`,
    ]
  })
}

/** Whether a document is kept for measuring perplexity. */
export const textHeldOut = (text: string): boolean => crc32(text) % 60 === 0

/** Writes the whole corpus, and beside it the documents that are held out. */
export function makeLanguage(
  book: Encyclopaedia,
  named: readonly Named[],
  countries: readonly Country[],
  wordnet: WordNet,
): void {
  const rng = random('language')
  const documents: TextRecord[] = []
  const dialogues: DialogueRecord[] = []
  const articles: DialogueRecord[] = []
  const text = (t: string): void => {
    documents.push({ id: `doc${documents.length}`, text: t })
  }
  const talk = (turns: readonly Qa[]): void => {
    dialogues.push(dialogue(`talk${dialogues.length}`, turns))
  }
  const write = (subject: string, language: 'en' | 'zh', body: string): void => {
    articles.push(dialogue(`article${articles.length}`, [{ q: writeInstruction(subject, language), a: body }]))
  }

  for (const concept of book.concepts) {
    for (let i = 0; i < 3; i++) {
      const en = sentences(book, concept, 'en')
      const zh = sentences(book, concept, 'zh')
      text([en[0], ...rng.sample(en.slice(1), 2)].join(' '))
      text([zh[0], ...rng.sample(zh.slice(1), 2)].join(''))
      text(paragraph(book, concept, 'en', rng).text)
      text(paragraph(book, concept, 'zh', rng).text)
    }
    text(`${subjectPhrase(concept.en)} is called ${concept.zh} in Chinese.`)
    text(`${concept.zh}的英文是${concept.en}。`)
    for (const group of groupTurns(conceptQa(book, concept, rng), 2, 4, rng)) talk(group)
    for (const language of ['en', 'zh', 'en', 'zh'] as const) {
      const made = conceptArticle(book, concept, language, rng)
      write(made.subject, language, articleText(made))
    }
  }
  for (const language of ['en', 'zh'] as const)
    for (const subject of book.subjects(language)) {
      text(articleText(article(book, subject, language, rng)))
      for (let i = 0; i < (subject.theme ? 8 : 2); i++)
        write(subject.name, language, articleText(article(book, subject, language, rng)))
    }
  for (const name of named) {
    if (name.group === 2 || name.group === 9) continue
    talk(
      rng.chance(0.5)
        ? [{ q: `Translate to Chinese: ${name.en}`, a: name.zh }]
        : [{ q: `把"${name.zh}"翻译成英语。`, a: name.en }],
    )
  }
  for (const gloss of wordnet.common()) {
    const sentence = glossSentence(gloss.lemma, gloss.text)
    if (rng.chance(0.6)) text(sentence)
    else talk([{ q: `What is ${withArticle(gloss.lemma)}?`, a: sentence }])
  }
  for (const country of countries) {
    for (let copy = 0; copy < 3; copy++) {
      const en: string[] = []
      const zh: string[] = []
      for (const attribute of rng.shuffle(attributes)) {
        const fact = country.facts[attribute]
        if (!fact) continue
        en.push(fill(rng.pick(attributeQuestions[attribute].factEn), country.en, fact.en))
        zh.push(fill(rng.pick(attributeQuestions[attribute].factZh), country.zh, fact.zh))
      }
      text(en.join(' '))
      text(zh.join(''))
    }
    const qa = [
      ...countryQa(country),
      { q: `Translate to Chinese: ${country.en}`, a: country.zh },
      { q: `把"${country.zh}"翻译成英语。`, a: country.en },
    ]
    for (const group of groupTurns(qa, 2, 4, rng)) talk(group)
  }
  for (const recipe of recipeDocuments()) text(recipe)
  for (const group of groupTurns(listQa(book, 600, rng), 1, 3, rng)) talk(group)

  // The same text is held out everywhere: what is left out is left out by its words.
  const heldOut = documents.filter((document) => textHeldOut(document.text))
  writeJsonl('language/documents.jsonl', rng.shuffle(documents.filter((document) => !textHeldOut(document.text))))
  writeWhole(join(workRoot, 'eval', 'text.txt'), [...new Set(heldOut.map((document) => document.text))].join('\n'))
  writeJsonl('language/dialogues.jsonl', rng.shuffle(dialogues))
  writeJsonl('language/articles.jsonl', rng.shuffle(articles))
}
