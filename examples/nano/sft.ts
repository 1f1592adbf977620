// Fine-tuning dialogues: a sample of every pre-training task, wordier questions with sentence answers, multiple choice,
// and text-only instructions. Default short questions keep their short answers.
import { existsSync, linkSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { XComposerError } from '../../src/common/errors.js'
import { type Encyclopaedia, hasUse, sentences, subjectPhrase } from './articles.js'
import { attributeQuestions, attributes, fill, pairHeldOut } from './countries.js'
import { kinds } from './kinds.js'
import { mayFlip } from './naming.js'
import { workRoot } from './paths.js'
import { ask, palette } from './questions.js'
import { type Random, random } from './random.js'
import { type DialogueRecord, dialogue, imagePlaceholder, type Qa, writeJsonl } from './records.js'
import { type ConceptSprites, type FlagSprites, linkInto, type Sprite } from './sprites.js'

function readRecords(path: string): DialogueRecord[] {
  const file = join(workRoot, path)
  if (!existsSync(file)) throw new XComposerError(`work/${path} is missing: run the parts language and pretrain first`)
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as DialogueRecord)
}

/** A record of work/pretrain with its pictures linked into work/sft. */
function adopt(record: DialogueRecord): DialogueRecord {
  for (const path of record.image ?? []) {
    const target = join(workRoot, 'sft', path)
    if (existsSync(target)) continue
    mkdirSync(dirname(target), { recursive: true })
    linkSync(join(workRoot, 'pretrain', path), target)
  }
  return record
}

/** Puts the evaluation's request for a short answer in front of the first question (SPEC 12, "short"). */
export function askShortly(record: DialogueRecord): DialogueRecord {
  const [first, ...rest] = record.conversations
  if (!first) return record
  const request = 'Answer the question using a single word or phrase.'
  const at = first.value.lastIndexOf(imagePlaceholder) + (first.value.includes(imagePlaceholder) ? imagePlaceholder.length : 0)
  return {
    ...record,
    conversations: [{ from: 'user', value: `${first.value.slice(0, at)}${request}${first.value.slice(at)}` }, ...rest],
  }
}

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
export function sentenceQuestions(
  book: Encyclopaedia,
  thing: ConceptSprites,
  sprite: Sprite,
  rng: Random,
): { en: Qa[]; zh: Qa[] } {
  const { concept } = thing
  const kind = kinds.get(concept.subgroup)
  const main = sprite.colour === undefined ? undefined : palette[sprite.colour]
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

// Records taken from each pre-training file; naming carries the most weight there and here.
const shares: readonly [string, number][] = [
  ['naming', 6000],
  ['flags', 800],
  ['ocr', 3000],
  ['grounding', 4000],
  ['counting', 2500],
  ['shapes', 800],
  ['charts', 2500],
  ['caption', 800],
  ['caption-scenes', 800],
]

/** Writes sft/vision.jsonl and sft/text.jsonl. Needs work/language and work/pretrain. */
export function makeSft(book: Encyclopaedia, things: readonly ConceptSprites[], flags: readonly FlagSprites[]): void {
  const rng = random('sft')
  const records: DialogueRecord[] = []
  for (const [name, count] of shares)
    for (const record of rng.sample(readRecords(`pretrain/${name}.jsonl`), count)) {
      const adopted = adopt(record)
      records.push(rng.chance(0.1) && !name.startsWith('caption') ? askShortly(adopted) : adopted)
    }
  for (const thing of things)
    for (const sprite of thing.training) {
      const path = linkInto('sft', sprite.file)
      const { concept } = thing
      const flip = mayFlip(concept.subgroup, concept.icon)
      const { en, zh } = sentenceQuestions(book, thing, sprite, rng)
      const turns = [...rng.sample(en, 1), ...rng.sample(zh, 1)]
      records.push(dialogue(`sentence${records.length}`, rng.shuffle(turns), [path], flip))
      if (rng.chance(0.5)) continue
      const wrong = rng
        .sample(
          things.filter((t) => t.concept.en !== concept.en && t.concept.zh !== concept.zh),
          3,
        )
        .map((t) => t.concept)
      const english = rng.chance(0.5)
      const choice = english
        ? multipleChoice(
            concept.en,
            wrong.map((c) => c.en),
            ask.name.en[0],
            rng,
          )
        : multipleChoice(
            concept.zh,
            wrong.map((c) => c.zh),
            ask.name.zh[0],
            rng,
          )
      records.push(dialogue(`choice${records.length}`, [choice], [path], flip))
    }
  for (const { country, training } of flags)
    for (const sprite of training) {
      const known = attributes.filter((a) => country.facts[a] && !pairHeldOut(country.code, a))
      const attribute = known.length > 0 ? rng.pick(known) : undefined
      const fact = attribute && country.facts[attribute]
      const english = rng.chance(0.5)
      const tell = fact
        ? fill(
            attributeQuestions[attribute][english ? 'factEn' : 'factZh'][0]!,
            english ? country.en : country.zh,
            english ? fact.en : fact.zh,
          )
        : ''
      const turn = english
        ? { q: 'Describe the picture.', a: `This is the flag of ${country.en}. ${tell}`.trim() }
        : { q: '描述这张图。', a: `这是${country.zh}的国旗。${tell}` }
      records.push(dialogue(`flag${records.length}`, [turn], [linkInto('sft', sprite.file)]))
    }
  writeJsonl('sft/vision.jsonl', rng.shuffle(records))

  const text = readRecords('language/dialogues.jsonl')
  const greetings: Qa[] = [
    { q: 'Hello!', a: 'Hello! How can I help you?' },
    { q: 'Who are you?', a: 'I am nano, a small model that looks at pictures and writes illustrated articles.' },
    {
      q: 'What can you do?',
      a: 'I can name things in pictures, point at them, count them, read words and write short articles.',
    },
    { q: '你好！', a: '你好！有什么可以帮你的？' },
    { q: '你是谁？', a: '我是nano，一个能看图、能写图文短文的小模型。' },
    { q: '你会做什么？', a: '我能说出图里的东西，指出它们，数一数，读文字，还能写短文。' },
    { q: 'Thank you.', a: 'You are welcome.' },
    { q: '谢谢。', a: '不客气。' },
  ]
  const hello = Array.from({ length: 200 }, (_, i) => dialogue(`hello${i}`, rng.sample(greetings, 2)))
  writeJsonl('sft/text.jsonl', rng.shuffle([...text, ...hello]))
}
