/** The head of a page that is one file: its style is its own, its images are in it, and nothing else is loaded or run. */
import { createHash } from 'node:crypto'
import { escapeHtml } from './escape-html.js'

/** What the head of a page says. */
export interface PageHead {
  /** The language of its text: `en`, `zh`. */
  readonly lang: string
  /** Plain text. */
  readonly title: string
  /** CSS, the only style that the page may have. */
  readonly style: string
  /** What made the page; plain text. */
  readonly generator?: string
}

/** From the doctype to the end of the head. The content security policy allows images in the page and this style, and no more. */
export function closedPageHead({ lang, title, style, generator }: PageHead): string {
  const hash = createHash('sha256').update(style).digest('base64')
  const made = generator === undefined ? '' : `<meta name="generator" content="${escapeHtml(generator)}">\n`
  return `<!doctype html>
<html lang="${lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${made}<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>`
}
