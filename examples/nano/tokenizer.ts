// The text sample for the tokenizer: corpus lines, every question wording, boxes and names, in a fixed order.
// Training itself is SentencePiece's command (tokenizer.sh); the model lands in models/nano/tokenizer.model.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { XComposerError } from '../../src/common/errors.js'
import type { Encyclopaedia } from './articles.js'
import { boxText } from './boxes.js'
import { makerRoot, repositoryRoot, workRoot, writeWhole } from './paths.js'
import { ask, slots } from './questions.js'
import { random } from './random.js'

const composition = [
  '给定文章"',
  '" 根据上述文章，选择适合插入图像的行',
  '适合插入图像的行是<Seg0> <Seg1> <Seg2> <Seg3>',
  '给出适合在<Seg0>后插入的图像对应的标题。',
  '现在<Seg0>后插入图像对应的标题是"',
  '"， ',
  '标题是"',
  '根据给定上下文和候选图像，选择合适的配图：',
  '候选图像包括: A.',
  'B.',
  'C.',
  'D.',
  '最合适的图是A',
  '最合适的图是B',
  '最合适的图是C',
  '最合适的图是D',
  '<Seg0> ',
  '<Seg1> ',
  '<Seg2> ',
  '<Seg3> ',
  '<Seg4> ',
  'user',
  'assistant',
  'system',
  'Yes',
  'No',
  '是',
  '不是',
]

/** The lines the tokenizer is trained on; newlines of documents end a line. */
export function tokenizerSample(book: Encyclopaedia): string[] {
  const rng = random('tokenizer')
  const lines: string[] = []
  const read = (name: string): unknown[] =>
    readFileSync(join(workRoot, 'language', name), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  for (const { text } of read('documents.jsonl') as { text: string }[]) lines.push(...text.split('\n'))
  for (const { conversations } of ['dialogues.jsonl', 'articles.jsonl'].flatMap(read) as { conversations: { value: string }[] }[])
    for (const turn of conversations) lines.push(...turn.value.split('\n'))
  for (let i = 0; i < 12000; i++) {
    const left = rng.int(0, 40)
    const top = rng.int(0, 40)
    const box = boxText({ left, top, right: left + rng.int(16, 24), bottom: top + rng.int(16, 24) }, 64)
    const thing = rng.pick(book.concepts)
    const other = rng.pick(book.concepts)
    const wording = rng.pick(Object.values(ask))
    const chinese = rng.chance(0.5)
    lines.push(
      slots(rng.pick(chinese ? wording.zh : wording.en), {
        n: chinese ? thing.zh : thing.en,
        m: chinese ? other.zh : other.en,
        b: box,
      }),
      box,
      rng.chance(0.5) ? thing.en : thing.zh,
    )
  }
  for (let i = 0; i < 400; i++) lines.push(...composition)
  for (let i = 0; i < 3000; i++) lines.push(String(rng.int(0, rng.pick([9, 99, 999]))))
  return lines.filter((line) => line !== '')
}

/** Trains and installs the tokenizer. @throws XComposerError when spm_train is missing or fails. */
export function makeTokenizer(book: Encyclopaedia): void {
  const folder = join(workRoot, 'tokenizer')
  mkdirSync(folder, { recursive: true })
  const sample = join(folder, 'sample.txt')
  writeWhole(sample, `${tokenizerSample(book).join('\n')}\n`)
  const script = join(makerRoot, 'tokenizer.sh')
  const result = spawnSync('sh', [script, sample, join(folder, 'tokenizer')], { stdio: ['ignore', 'inherit', 'inherit'] })
  if (result.status !== 0)
    throw new XComposerError(
      'tokenizer.sh failed: install SentencePiece (Debian: apt-get install sentencepiece), or keep the shipped models/nano/tokenizer.model',
    )
  const target = join(repositoryRoot, 'models', 'nano', 'tokenizer.model')
  mkdirSync(join(repositoryRoot, 'models', 'nano'), { recursive: true })
  copyFileSync(join(folder, 'tokenizer.model'), `${target}.tmp`)
  renameSync(`${target}.tmp`, target)
}
