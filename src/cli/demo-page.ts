/**
 * The demo's page: a summary, a card for every question, both articles. One file without scripts; images are packed into it, and a
 * content policy forbids whatever escaping might miss. It asks no model.
 */
import { closedPageHead } from '../common/closed-page.js'
import { escapeHtml } from '../common/escape-html.js'
import type { Article, ArticleImage } from '../compose/compose.js'
import { pageImage } from '../compose/page-image.js'
import { headingText } from '../compose/sections.js'
import { type DemoAnswer, questionCard } from './demo-card.js'
import { demoStyle } from './demo-style.js'
import { htmlLanguage, languageOf, taskGroup, taskName } from './demo-words.js'

/** An article and the file beside the page that holds it alone. */
export interface DemoArticle {
  readonly article: Article
  readonly file: string
}

export interface DemoPage {
  readonly model: string
  /** Side of the square that the model sees, in pixels. */
  readonly imageSize: number
  readonly articles: readonly DemoArticle[]
  readonly answers: readonly DemoAnswer[]
  /** Commands to go on with. */
  readonly commands: readonly string[]
  /** Facts about the run and credits for the footer, a paragraph each. */
  readonly facts: readonly string[]
}

/** The whole page. */
export async function demoPage({ model, imageSize, articles, answers, commands, facts }: DemoPage): Promise<string> {
  const name = escapeHtml(model)
  const right = answers.filter(({ correct }) => correct).length
  const cards: string[] = []
  for (const [i, answer] of answers.entries()) cards.push(await questionCard(answer, `q${i + 1}`, imageSize))
  const written: string[] = []
  for (const article of articles) written.push(await articlePart(article))
  return `${closedPageHead({ lang: 'en', title: `XComposer demo: what ${model} sees`, style: demoStyle })}
<body>
<header>
<p class="kicker">XComposer demo</p>
<h1>What ${name} sees</h1>
<p class="lead">${answers.length} questions about pictures that it was not trained on, in English and Chinese: <strong>${right} right</strong>. And ${articles.length} articles that it wrote and illustrated. All of it was made on this computer.</p>
<p class="lead" lang="zh-Hans">${answers.length} 个问题，图片都没有用于训练，中英文各有一部分：<strong>答对 ${right} 个</strong>。另有 ${articles.length} 篇由它撰写并配图的短文。全部在本机生成。</p>
<nav aria-label="On this page"><ul>
<li><a href="#questions">Questions <span lang="zh-Hans">问题</span></a></li>
${articles.map(({ article: { language, title } }) => `<li><a href="#article-${language}" lang="${htmlLanguage[language]}">${escapeHtml(title)}</a></li>`).join('\n')}
<li><a href="#try">Try it <span lang="zh-Hans">试一试</span></a></li>
</ul></nav>
</header>
<main>
<section id="questions" aria-labelledby="questions-title">
<h2 id="questions-title">Questions about pictures <span lang="zh-Hans">看图问答</span></h2>
${summary(answers)}
<p class="note">The model sees every picture in ${imageSize} × ${imageSize} pixels. Drawings of things and flags are shown larger, as they were made, beside what the model sees; words, charts and scenes are drawn in ${imageSize} × ${imageSize} pixels and shown enlarged, pixel by pixel. The percentage beside an answer is the probability of the whole answer, its end included. The model answers word by word and takes the likeliest piece each time, which need not lead to the likeliest whole.</p>
<p class="note" lang="zh-Hans">模型看到的每张图都是 ${imageSize} × ${imageSize} 像素。物品和国旗的图按原图放大显示，旁边是模型看到的样子；文字、图表和场景本来就是 ${imageSize} × ${imageSize} 像素，按像素放大显示。回答旁的百分比是整个回答（包括结束）的概率。模型逐词取最可能的一个，所以它的回答不一定是整体上最可能的。</p>
<div class="cards">
${cards.join('\n')}
</div>
</section>
<div class="articles">
${written.join('\n')}
</div>
<section id="try" aria-labelledby="try-title">
<h2 id="try-title">Try it <span lang="zh-Hans">试一试</span></h2>
<p>In the folder of the project, with pictures and subjects of your own: <span lang="zh-Hans">在项目文件夹中运行，图片和主题可换成自己的：</span></p>
<pre role="group" tabindex="0" aria-label="Commands"><code>${commands.map(escapeHtml).join('\n')}</code></pre>
</section>
</main>
<footer>
<p>All answers, texts, captions and choices of pictures are by the language model ${name}, unedited. It can be wrong.</p>
<p lang="zh-Hans">所有回答、正文、图片说明和配图选择均由语言模型 ${name} 生成，未经修改，可能有误。</p>
${facts.map((fact) => `<p>${escapeHtml(fact)}</p>`).join('\n')}
</footer>
</body>
</html>
`
}

/** Right of asked for each task, in each language and together. */
function summary(answers: readonly DemoAnswer[]): string {
  const groups = [...new Set(answers.map(({ task }) => taskGroup(task)))]
  const cells = (of: readonly DemoAnswer[]): string =>
    [of.filter(({ question }) => languageOf(question) === 'en'), of.filter(({ question }) => languageOf(question) === 'zh'), of]
      .map((part) => `<td>${part.length === 0 ? '–' : `${part.filter(({ correct }) => correct).length} of ${part.length}`}</td>`)
      .join('')
  const rows = groups.map((group) => {
    const first = answers.findIndex(({ task }) => taskGroup(task) === group)
    const [en, zh] = [taskName(group, 'en'), taskName(group, 'zh')]
    const chinese = zh === en ? '' : `<small lang="zh-Hans">${escapeHtml(zh)}</small>`
    const name = `<a href="#q${first + 1}">${escapeHtml(en)}</a>${chinese}`
    return `<tr><th scope="row">${name}</th>${cells(answers.filter(({ task }) => taskGroup(task) === group))}</tr>`
  })
  return `<table>
<caption>Right answers of those asked <span lang="zh-Hans">答对题数</span></caption>
<thead><tr><th scope="col">Task <span lang="zh-Hans">任务</span></th><th scope="col">English</th><th scope="col" lang="zh-Hans">中文</th><th scope="col">All <span lang="zh-Hans">合计</span></th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
<tfoot><tr><th scope="row">All <span lang="zh-Hans">合计</span></th>${cells(answers)}</tr></tfoot>
</table>`
}

const articleWords = {
  en: { kicker: 'An illustrated article', alone: 'Open it as a page of its own' },
  zh: { kicker: '图文短文', alone: '单独打开这篇短文' },
} as const

async function articlePart({ article: { title, language, sections, notes }, file }: DemoArticle): Promise<string> {
  const say = articleWords[language]
  const body: string[] = []
  for (const { kind, text, image } of sections) {
    if (kind === 'heading') body.push(`<h3>${escapeHtml(headingText(text))}</h3>`)
    if (kind === 'paragraph') body.push(`<p>${escapeHtml(text.trim())}</p>`)
    if (image) body.push(await articleFigure(image))
  }
  const remarks = notes.map((note) => `<p class="note" lang="en">${escapeHtml(note)}</p>`)
  return `<article id="article-${language}" lang="${htmlLanguage[language]}" aria-labelledby="article-${language}-title">
<p class="kicker">${say.kicker}</p>
<h2 id="article-${language}-title">${escapeHtml(title)}</h2>
<div class="written">
${[...body, ...remarks].join('\n')}
</div>
<p class="note"><a href="${escapeHtml(encodeURIComponent(file))}">${say.alone}</a></p>
</article>`
}

async function articleFigure({ file, caption, credit }: ArticleImage): Promise<string> {
  const picture = await pageImage(file)
  if (!picture) return ''
  const text = escapeHtml(caption) + (credit ? `<span class="credit">${escapeHtml(credit)}</span>` : '')
  return `<figure class="${picture.shape}"><img src="${picture.url}" alt="${escapeHtml(caption)}" width="${picture.width}" height="${picture.height}"><figcaption>${text}</figcaption></figure>`
}
