import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { packageRoot } from '../common/package-root.js'
import type { Article } from '../compose/compose.js'
import { readQuestions } from '../data/questions.js'
import { demoPage } from './demo-page.js'

let root = ''
let picture = ''
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'demo-'))
  picture = join(root, 'a.png')
  await sharp({ create: { width: 8, height: 8, channels: 3, background: '#c02020' } })
    .png()
    .toFile(picture)
})
afterAll(() => rmSync(root, { recursive: true }))

const asked = (reply: string, correct: boolean) => ({
  task: 'naming',
  question: 'What is this?',
  images: [picture],
  answers: ['apple'],
  reply,
  correct,
})

it('shows wrong answers as wrong beside the expected one, pictures inside, and nothing unescaped', async () => {
  const article: Article = {
    subject: 'x',
    language: 'en',
    title: 'An <i>apple</i>',
    sections: [
      { kind: 'paragraph', text: 'Red & round.', image: { file: picture, caption: '"a" <b>', candidates: [], chosen: 0 } },
      { kind: 'heading', text: '## More' },
    ],
    notes: [],
    trace: [],
  }
  const answers = [asked('apple', true), asked('<script>', false), asked('', false)]
  const html = await demoPage({ model: 'nano', articles: [article], answers, facts: ['fast'] })
  expect(html).toContain('1 of 3 answered as expected')
  expect(html.match(/Expected: apple/g)).toHaveLength(2)
  expect(html.match(/<img src="data:image\/png;base64,/g)).toHaveLength(4)
  expect(html).not.toMatch(/<script|<i>|<b>[^✓✗]/)
  expect(html).toContain('(no answer)')
})

it('asks questions that ship with their pictures, in both languages', () => {
  const questions = readQuestions(join(packageRoot, 'examples', 'questions.jsonl'))
  expect(questions.length).toBeGreaterThan(10)
  expect(questions.some(({ question }) => /\p{Script=Han}/u.test(question))).toBe(true)
  expect(questions.some(({ question }) => /[a-z]/.test(question))).toBe(true)
})
