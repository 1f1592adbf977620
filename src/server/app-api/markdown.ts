/**
 * Markdown that a model or a user wrote, as HTML that can only be text: HTML in it is shown as it is spelled, links lead to the web or
 * to an address of mail, and images are links (a page that works offline asks no other server for anything). Also used by `web/`.
 */
import { Marked, type Tokens } from 'marked'
import { escapeHtml } from '../../common/escape-html.js'

const marked = new Marked({
  gfm: true,
  breaks: true,
  async: false,
  renderer: {
    html: ({ text }) => escapeHtml(text),
    image: ({ href, text }) => link(href, escapeHtml(text || href)),
    link(this: { parser: { parseInline(tokens: Tokens.Link['tokens']): string } }, { href, tokens }) {
      return link(href, this.parser.parseInline(tokens))
    },
    checkbox: ({ checked }) => (checked ? '[x] ' : '[ ] '),
  },
})

/** @param text at most a few hundred thousand characters; it is parsed at once */
export function renderMarkdown(text: string): string {
  return marked.parse(text, { async: false })
}

function link(href: string, inside: string): string {
  return /^(https?:\/\/|mailto:)/i.test(href)
    ? `<a href="${escapeHtml(href)}" target="_blank" rel="noopener noreferrer nofollow">${inside}</a>`
    : inside
}
