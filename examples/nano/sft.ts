// Fine-tuning in text alone: the corpus's dialogues, and greetings.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { XComposerError } from '../../src/common/errors.js'
import { workRoot } from './paths.js'
import { random } from './random.js'
import { type DialogueRecord, dialogue, type Qa, writeJsonl } from './records.js'

function readRecords(path: string): DialogueRecord[] {
  const file = join(workRoot, path)
  if (!existsSync(file)) throw new XComposerError(`work/${path} is missing: run the part language first`)
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as DialogueRecord)
}

/** Writes sft/text.jsonl. Needs work/language. */
export function makeSftText(): void {
  const rng = random('sft')
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
