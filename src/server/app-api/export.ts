/**
 * The shown branch of a conversation as a file that needs nothing else: a page with its images inside, or Markdown (in a ZIP archive with
 * its images where there are any).
 */
import { closedPageHead } from '../../common/closed-page.js'
import { escapeHtml } from '../../common/escape-html.js'
import { branchTo } from './branch.js'
import { exportStyle } from './export-style.js'
import { renderMarkdown } from './markdown.js'
import type { Conversation, StoredMessage } from './records.js'
import type { ImageFile } from './store.js'
import { zip } from './zip.js'

export type ExportFormat = 'html' | 'markdown'
export type ExportLanguage = 'en' | 'zh'

export interface ExportedFile {
  readonly name: string
  readonly type: string
  readonly bytes: Uint8Array
}

const words = {
  en: {
    lang: 'en',
    untitled: 'Conversation',
    roles: { user: 'You', assistant: 'Model' },
    unfinished: 'This answer is not finished.',
    missing: 'image missing',
    image: (n: number) => `Image ${n}`,
    footer: 'Answers were written by a model and can be wrong.',
  },
  zh: {
    lang: 'zh-Hans',
    untitled: '对话',
    roles: { user: '你', assistant: '模型' },
    unfinished: '此回答未完成。',
    missing: '图片缺失',
    image: (n: number) => `图片 ${n}`,
    footer: '回答由模型生成，可能有误。',
  },
} as const

type Words = (typeof words)[ExportLanguage]

/** @param readImage an image of the conversation by its id; undefined where it is no longer there */
export function exportConversation(
  conversation: Conversation,
  format: ExportFormat,
  language: ExportLanguage,
  readImage: (id: string) => ImageFile | undefined,
): ExportedFile {
  const say = words[language]
  const title = conversation.title || say.untitled
  const branch = branchTo(conversation.messages, conversation.leaf)
  const name = fileName(title)
  if (format === 'html') {
    const bytes = Buffer.from(page(title, branch, conversation.created, say, readImage), 'utf8')
    return { name: `${name}.html`, type: 'text/html; charset=utf-8', bytes }
  }
  const used = new Map<string, ImageFile>()
  const text = Buffer.from(
    markdown(title, branch, say, (id) => {
      const image = used.get(id) ?? readImage(id)
      if (image) used.set(id, image)
      return image && imagePath(image)
    }),
    'utf8',
  )
  if (used.size === 0) return { name: `${name}.md`, type: 'text/markdown; charset=utf-8', bytes: text }
  const images = [...used.values()].map((image) => ({ name: imagePath(image), bytes: image.bytes }))
  return { name: `${name}.zip`, type: 'application/zip', bytes: zip([{ name: `${name}.md`, bytes: text }, ...images]) }
}

const imagePath = ({ id, format }: ImageFile): string => `images/${id.slice(0, 16)}.${format === 'jpeg' ? 'jpg' : format}`

function markdown(title: string, branch: readonly StoredMessage[], say: Words, pathOf: (id: string) => string | undefined) {
  const blocks = [`# ${title.replace(/\s+/gu, ' ')}`]
  for (const { role, text, images, state } of branch) {
    blocks.push(`## ${say.roles[role]}`)
    images.forEach((id, i) => {
      const path = pathOf(id)
      blocks.push(path ? `![${say.image(i + 1)}](${path})` : `*${say.missing}*`)
    })
    if (text.trim() !== '') blocks.push(text.trim())
    if (isUnfinished(state)) blocks.push(`*${say.unfinished}*`)
  }
  return `${blocks.join('\n\n')}\n`
}

function page(
  title: string,
  branch: readonly StoredMessage[],
  created: number,
  say: Words,
  readImage: (id: string) => ImageFile | undefined,
): string {
  const date = new Intl.DateTimeFormat(say.lang, { dateStyle: 'long', timeZone: 'UTC' }).format(created)
  return `${closedPageHead({ lang: say.lang, title, style: exportStyle })}
<body>
<header>
<h1>${escapeHtml(title)}</h1>
<p>${date}</p>
</header>
<main>
${branch.map((message) => article(message, say, readImage)).join('\n')}
</main>
<footer><p>${say.footer}</p></footer>
</body>
</html>
`
}

function article(message: StoredMessage, say: Words, readImage: (id: string) => ImageFile | undefined): string {
  const { role, text, images, state, details } = message
  const shown = images.map((id, i) => {
    const image = readImage(id)
    if (!image) return `<p class="note">${say.missing}</p>`
    const url = `data:image/${image.format};base64,${image.bytes.toString('base64')}`
    return `<img src="${url}" alt="${say.image(i + 1)}">`
  })
  return [
    `<article class="${role}">`,
    `<h2>${say.roles[role]}${details.model ? ` <span>${escapeHtml(details.model)}</span>` : ''}</h2>`,
    ...shown,
    role === 'assistant' ? renderMarkdown(text) : `<p class="said">${escapeHtml(text)}</p>`,
    ...(isUnfinished(state) ? [`<p class="note">${say.unfinished}</p>`] : []),
    '</article>',
  ].join('\n')
}

const isUnfinished = (state: StoredMessage['state']): boolean => state !== 'done'

/** A name that every file system takes. */
function fileName(title: string): string {
  const name = title
    .replace(/[\p{Cc}\p{Cs}\p{Cf}<>:"/\\|?*]+/gu, ' ')
    .replace(/\s+/gu, ' ')
    .trim()
    .replace(/^\.+|[. ]+$/g, '')
  return [...name].slice(0, 60).join('').trim() || 'conversation'
}
