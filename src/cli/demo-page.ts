/**
 * The demo's page: both articles, and every question with its image, the answer and the expected one, wrong answers marked as such.
 * One file without scripts; images are packed into it. It asks no model.
 */
import { createHash } from 'node:crypto'
import type { Article, ArticleImage } from '../compose/compose.js'
import { pageImage } from '../compose/page-image.js'
import { pageStyle } from '../compose/page-style.js'
import { escapeHtml } from '../compose/render-html.js'
import { headingText } from '../compose/sections.js'

/** One question of the demo with its reply. */
export interface DemoAnswer {
  readonly task: string
  readonly question: string
  readonly images: readonly string[]
  readonly answers: readonly string[]
  readonly reply: string
  readonly correct: boolean
}

export interface DemoPage {
  readonly model: string
  readonly articles: readonly Article[]
  readonly answers: readonly DemoAnswer[]
  /** Facts about the run for the footer, one a line. */
  readonly facts: readonly string[]
}

const extraStyle = `
section{width:min(100% - 2.5rem,60rem);margin:4rem auto}
section>h2{margin-top:0}
.questions{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:1.5rem}
.card{border:1px solid var(--line);border-radius:4px;padding:1rem;background:var(--paper)}
.card img{display:block;width:100%;height:auto;image-rendering:pixelated;background:var(--mat);border-radius:3px}
.card p{margin:.6rem 0 0;font-size:.95rem;line-height:1.4;text-indent:0;overflow-wrap:anywhere}
.task{color:var(--soft);font-size:.75rem}
.right b{color:#2c7a3f}.wrong b{color:var(--accent)}
article+article{margin-top:3rem;border-top:1px solid var(--line)}
nav{width:min(100% - 2.5rem,60rem);margin:1.5rem auto 0;font-size:.9rem}
nav a{color:inherit;margin-right:1.2rem}
@media (prefers-color-scheme:dark){.right b{color:#7cc58d}}
`

/** The whole page. */
export async function demoPage({ model, articles, answers, facts }: DemoPage): Promise<string> {
  const right = answers.filter(({ correct }) => correct).length
  const cards: string[] = []
  for (const answer of answers) cards.push(await card(answer))
  const written: string[] = []
  for (const article of articles) written.push(await articlePart(article))
  const style = pageStyle + extraStyle
  const hash = createHash('sha256').update(style).digest('base64')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>XComposer demo</title>
<style>${style}</style>
</head>
<body>
<nav><a href="#questions">Questions about pictures</a>${articles.map(({ language, title }) => `<a href="#${language}">${escapeHtml(title)}</a>`).join('')}</nav>
<section id="questions">
<h2>Questions about pictures that ${escapeHtml(model)} never saw: ${right} of ${answers.length} answered as expected</h2>
<div class="questions">
${cards.join('\n')}
</div>
</section>
${written.join('\n')}
<footer>
<p>All answers, texts, captions and choices of pictures are by the language model ${escapeHtml(model)}, unedited. It can be wrong.</p>
${facts.map((fact) => `<p>${escapeHtml(fact)}</p>`).join('\n')}
</footer>
</body>
</html>
`
}

async function card({ task, question, images, answers, reply, correct }: DemoAnswer): Promise<string> {
  const language = /\p{Script=Han}/u.test(question) ? 'zh-Hans' : 'en'
  const pictures: string[] = []
  for (const file of images) {
    const picture = await pageImage(file)
    if (picture) pictures.push(`<img src="${picture.url}" alt="" width="${picture.width}" height="${picture.height}">`)
  }
  const expected = correct ? '' : `<p>Expected: ${escapeHtml(answers[0] ?? '')}</p>`
  return `<div class="card ${correct ? 'right' : 'wrong'}" lang="${language}">
${pictures.join('\n')}
<p class="task">${escapeHtml(task)}</p>
<p>${escapeHtml(question)}</p>
<p><b>${correct ? '✓' : '✗'} ${escapeHtml(reply === '' ? '(no answer)' : reply)}</b></p>${expected}
</div>`
}

async function articlePart({ title, language, sections, notes }: Article): Promise<string> {
  const body: string[] = []
  for (const { kind, text, image } of sections) {
    if (kind === 'heading') body.push(`<h2>${escapeHtml(headingText(text))}</h2>`)
    if (kind === 'paragraph') body.push(`<p>${escapeHtml(text.trim())}</p>`)
    if (image) body.push(await figure(image))
  }
  const remarks = notes.map((note) => `<p class="task">${escapeHtml(note)}</p>`)
  return `<article id="${language}" lang="${language === 'zh' ? 'zh-Hans' : 'en'}">
<header><h1>${escapeHtml(title)}</h1></header>
<main>
${[...body, ...remarks].join('\n')}
</main>
</article>`
}

async function figure({ file, caption, credit }: ArticleImage): Promise<string> {
  const picture = await pageImage(file)
  if (!picture) return ''
  const text = escapeHtml(caption) + (credit ? `<span class="credit">${escapeHtml(credit)}</span>` : '')
  return `<figure class="${picture.shape}"><img src="${picture.url}" alt="${escapeHtml(caption)}" width="${picture.width}" height="${picture.height}"><figcaption>${text}</figcaption></figure>`
}
