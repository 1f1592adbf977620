/**
 * Step 8, the page: an article as one self-contained HTML file without scripts. Everything that comes from the model, the
 * library or the caller is escaped; a content policy forbids whatever escaping might miss. Asks no model.
 */
import { writeAll, writeFileAtomically } from '../common/atomic.js'
import { closedPageHead } from '../common/closed-page.js'
import { InputError } from '../common/errors.js'
import { escapeHtml } from '../common/escape-html.js'
import type { Article, ArticleImage } from './compose.js'
import { type PageImage, pageImage } from './page-image.js'
import { pageStyle } from './page-style.js'
import { headingText } from './sections.js'

export interface HtmlOptions {
  /** Name of the model that wrote the article, for the footer. */
  readonly model: string
}

const words = {
  en: {
    lang: 'en',
    kicker: 'An illustrated article',
    credit: 'Picture: ',
    missing: (n: number) =>
      `${n === 1 ? 'One picture' : `${n} pictures`} could not be read and ${n === 1 ? 'is' : 'are'} left out.`,
    footer: (model: string) =>
      `Text, choice and captions of the pictures by the language model ${model}. It can be wrong; check before you rely on it.`,
  },
  zh: {
    lang: 'zh-Hans',
    kicker: '图文短文',
    credit: '图片来源：',
    missing: (n: number) => `有 ${n} 张图片无法读取，已略去。`,
    footer: (model: string) => `正文、配图选择与图片说明均由语言模型 ${model} 生成，可能有误，请核实后使用。`,
  },
} as const

/** A large first letter needs three lines of text beside it. */
const dropCapLength = 180

/**
 * The article's page. Images are packed into it, at most 1440 pixels wide; one that can no longer be read is left out and
 * the footer says so.
 */
export async function renderHtml(article: Article, { model }: HtmlOptions): Promise<string> {
  const say = words[article.language]
  const body: string[] = []
  let missing = 0
  let opened = false
  for (const { kind, text, image } of article.sections) {
    if (kind === 'heading') body.push(`<h2>${escapeHtml(headingText(text))}</h2>`)
    if (kind === 'paragraph') {
      body.push(`<p${opened || text.length < dropCapLength ? '' : ' class="opening"'}>${escapeHtml(text.trim())}</p>`)
      opened = true
    }
    if (image === undefined) continue
    // One after another: a page of 60 large photographs must not be decoded at once.
    const shown = await pageImage(image.file)
    if (shown === undefined) missing++
    else body.push(figure(image, shown, say.credit))
  }
  const title = escapeHtml(article.title)
  return `${closedPageHead({ lang: say.lang, title: article.title, style: pageStyle, generator: model })}
<body>
<header>
<p class="kicker">${say.kicker}</p>
<h1>${title}</h1>
</header>
<main>
${body.join('\n')}
</main>
<footer>
<p>${say.footer(escapeHtml(model))}</p>${missing > 0 ? `\n<p>${say.missing(missing)}</p>` : ''}
</footer>
</body>
</html>
`
}

function figure(image: ArticleImage, shown: PageImage, creditLabel: string): string {
  const caption = escapeHtml(image.caption)
  const credit = image.credit ? `<span class="credit">${creditLabel}${escapeHtml(image.credit)}</span>` : ''
  const text = caption + credit
  return [
    `<figure class="${shown.shape}">`,
    `<img src="${shown.url}" alt="${caption}" width="${shown.width}" height="${shown.height}">`,
    ...(text === '' ? [] : [`<figcaption>${text}</figcaption>`]),
    '</figure>',
  ].join('\n')
}

/**
 * Write a page to a file: whole or not at all.
 * @throws InputError when the file cannot be written.
 */
export function writeArticle(file: string, html: string): void {
  try {
    writeFileAtomically(file, (fd) => writeAll(fd, Buffer.from(html, 'utf8')))
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new InputError(`${file}: cannot be written (${code ?? message}); name a file in a folder that exists`, { cause })
  }
}
