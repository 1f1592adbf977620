/**
 * `npm run demo`: the packaged model answers questions about held-out images and writes one English and one Chinese article; the
 * result is out/demo/index.html. It needs no network and no arguments.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type LikelyAnswer, likeliestAnswers } from '../chat/likeliest.js'
import { makeFolders } from '../common/folders.js'
import { packagedModel, packageRoot } from '../common/package-root.js'
import { compose } from '../compose/compose.js'
import { renderHtml, writeArticle } from '../compose/render-html.js'
import { type Question, readQuestions } from '../data/questions.js'
import { modelAnswerer, questionMessage } from '../evaluate/answerer.js'
import { evaluate } from '../evaluate/evaluate.js'
import { isCorrect } from '../evaluate/scorers.js'
import { XComposer } from '../inference/xcomposer.js'
import { openLibrary } from '../library/library.js'
import { noPositionals, readArgs } from './command.js'
import type { DemoAnswer } from './demo-card.js'
import { type DemoArticle, demoPage } from './demo-page.js'
import type { Io } from './io.js'
import { guarded } from './main.js'
import { isMain, runProcess } from './process.js'

const examples = join(packageRoot, 'examples')
const IMAGES = 3
/** In tokens. */
const LONGEST_ANSWER = 64
const LIKELIEST = 3

/** Subjects that the example library has images for. */
const subjects = [
  { subject: 'The apple', language: 'en' },
  { subject: '苹果', language: 'zh' },
] as const

/** What a reader may go on with. */
const commands = [
  'node bin/xcomposer.js chat --image examples/questions/emojione-house.png "What is this?"',
  'node bin/xcomposer.js chat --image examples/questions/emojione-house.png "这是什么？"',
  'node bin/xcomposer.js compose "The apple" --library examples/library --out apple.html',
]

/** Runs the demo and writes its pages to `out`. @throws InputError when the model or the example library is not there */
export async function demo(io: Io, out = join(packageRoot, 'out', 'demo')): Promise<number> {
  const began = performance.now()
  const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`
  const say = (line: string) => io.out(`[${seconds().padStart(7)}] ${line}\n`)
  const library = await openLibrary(join(examples, 'library'))
  const questions = readQuestions(join(examples, 'questions.jsonl'))

  makeFolders(out, 'demo')
  const model = await XComposer.load(packagedModel, { onNotice: (line) => io.err(`${line}\n`) })
  try {
    say(`${model.name} is loaded; ${questions.length} questions about pictures that it was not trained on:`)
    const answers = await ask(model, questions, io, say)
    const articles: DemoArticle[] = []
    for (const { subject, language } of subjects) {
      const article = await compose({ subject, language, library, images: IMAGES, signal: io.signal, model })
      const pictures = article.sections.filter(({ image }) => image).length
      const file = `article-${language}.html`
      writeArticle(join(out, file), await renderHtml(article, { model: model.name }))
      articles.push({ article, file })
      say(`wrote "${article.title}": ${article.sections.length} sections, ${pictures} pictures of ${library.items.length}`)
    }
    const index = join(out, 'index.html')
    const facts = [
      `Made by npm run demo in ${seconds()} with Node ${process.version} on ${process.platform} ${process.arch}.`,
      credits(join(examples, 'questions', 'CREDITS.md')),
    ]
    const imageSize = model.config.vision?.imageSize ?? 0
    writeArticle(index, await demoPage({ model: model.name, imageSize, articles, answers, commands, facts }))
    say('to chat about pictures of your own in the browser: npx xcomposer serve, then open http://127.0.0.1:8080')
    say(`done; open ${pathToFileURL(index).href}`)
    return 0
  } finally {
    await model.dispose()
  }
}

/** Asks each question, and what the likeliest answers to it are. */
async function ask(model: XComposer, all: readonly Question[], io: Io, say: (line: string) => void): Promise<DemoAnswer[]> {
  const options = { maxNewTokens: LONGEST_ANSWER, signal: io.signal }
  const byId = new Map(all.map((question) => [question.id, question]))
  const likely = new Map<string, readonly LikelyAnswer[]>()
  const reply = modelAnswerer(model, options)
  const answerer = async (question: Question): Promise<string> => {
    const { answers } = await likeliestAnswers(model, [questionMessage(question)], { ...options, count: LIKELIEST })
    likely.set(question.id, answers)
    return reply(question)
  }
  const answers: DemoAnswer[] = []
  await evaluate(all, answerer, {
    onProgress: (_done, _total, { id, task, reply, correct }) => {
      const asked = byId.get(id) as Question
      const { question, images, scorer, answers: expected } = asked
      const likeliest = (likely.get(id) ?? []).map(({ text, probability }) => {
        return { text, probability, correct: isCorrect(scorer, text, expected) }
      })
      answers.push({ task, question, images, answers: expected, scorer, reply, correct, likeliest })
      const said = reply.replace(/\s+/g, ' ') || '(no answer)'
      say(`  ${correct ? '✓' : '✗'} ${question} -> ${said}${correct ? '' : ` (right: ${expected[0]})`}`)
    },
  })
  say(`  ${answers.filter(({ correct }) => correct).length} of ${answers.length} right`)
  return answers
}

/** What a CREDITS.md says below its title, as one paragraph. */
function credits(file: string): string {
  const [, ...lines] = readFileSync(file, 'utf8').replaceAll('`', '').trim().split('\n')
  return lines.join(' ').trim()
}

if (isMain(import.meta.url)) {
  await runProcess((io) =>
    guarded(io, () => {
      noPositionals(readArgs({ name: 'demo', options: {} }, process.argv.slice(2)), 'demo')
      return demo(io)
    }),
  )
}
