/**
 * `npm run demo`: the packaged model answers questions about held-out images and writes one English and one Chinese article; the
 * result is out/demo/index.html. It needs no network and no arguments.
 */

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { makeFolders } from '../common/folders.js'
import { packagedModel, packageRoot } from '../common/package-root.js'
import { type Article, compose } from '../compose/compose.js'
import { renderHtml, writeArticle } from '../compose/render-html.js'
import { type Question, readQuestions } from '../data/questions.js'
import { modelAnswerer } from '../evaluate/answerer.js'
import { evaluate } from '../evaluate/evaluate.js'
import { XComposer } from '../inference/xcomposer.js'
import { openLibrary } from '../library/library.js'
import { noPositionals, readArgs } from './command.js'
import { type DemoAnswer, demoPage } from './demo-page.js'
import type { Io } from './io.js'
import { guarded } from './main.js'
import { isMain, runProcess } from './process.js'

const examples = join(packageRoot, 'examples')
const IMAGES = 3

/** Subjects that the example library has images for. */
const subjects = [
  { subject: 'The apple', language: 'en' },
  { subject: '苹果', language: 'zh' },
] as const

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
    say(`loaded ${model.name}`)
    const answers = await ask(model, questions, io, say)
    const articles: Article[] = []
    for (const { subject, language } of subjects) {
      say(`writing an article about "${subject}" with pictures from a library of ${library.items.length}`)
      const options = {
        subject,
        language,
        library,
        images: IMAGES,
        signal: io.signal,
        model,
      }
      const article = await compose(options)
      const pictures = article.sections.filter(({ image }) => image).length
      const file = join(out, `article-${language}.html`)
      writeArticle(file, await renderHtml(article, { model: model.name }))
      articles.push(article)
      say(`  "${article.title}": ${article.sections.length} sections, ${pictures} pictures -> ${file}`)
    }
    const index = join(out, 'index.html')
    const facts = [`Made by npm run demo in ${seconds()} with Node ${process.version} on ${process.platform} ${process.arch}.`]
    writeArticle(index, await demoPage({ model: model.name, articles, answers, facts }))
    say(`done; open ${pathToFileURL(index).href}`)
    return 0
  } finally {
    await model.dispose()
  }
}

async function ask(model: XComposer, all: readonly Question[], io: Io, say: (line: string) => void): Promise<DemoAnswer[]> {
  const byId = new Map(all.map((question) => [question.id, question]))
  const answers: DemoAnswer[] = []
  say('asking questions about pictures that were not trained on')
  await evaluate(all, modelAnswerer(model, { maxNewTokens: 64, signal: io.signal }), {
    onProgress: (_done, _total, { id, task, reply, correct }) => {
      const { question = '', images = [], answers: expected = [] } = byId.get(id) ?? {}
      answers.push({ task, question, images, answers: expected, reply, correct })
      const verdict = correct ? 'as expected' : `expected "${expected[0]}"`
      say(`  ${question.replace(/\s+/g, ' ')} -> "${reply}" (${verdict})`)
    },
  })
  const right = answers.filter(({ correct }) => correct).length
  say(`  ${right} of ${answers.length} as expected`)
  return answers
}

if (isMain(import.meta.url)) {
  await runProcess((io) =>
    guarded(io, () => {
      noPositionals(readArgs({ name: 'demo', options: {} }, process.argv.slice(2)), 'demo')
      return demo(io)
    }),
  )
}
