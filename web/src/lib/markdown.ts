/** Markdown of a model as HTML that may be set on the page: rendered without HTML of its own, and sanitised once more. */
import DOMPurify from 'dompurify'
import { renderMarkdown } from '../../../src/server/app-api/markdown'

const settings = {
  ALLOWED_TAGS: [
    ...[
      'p',
      'br',
      'hr',
      'h1',
      'h2',
      'h3',
      'h4',
      'h5',
      'h6',
      'strong',
      'em',
      'del',
      'a',
      'ul',
      'ol',
      'li',
      'blockquote',
      'pre',
      'code',
    ],
    ...['table', 'thead', 'tbody', 'tr', 'th', 'td'],
  ],
  ALLOWED_ATTR: ['href', 'target', 'rel', 'start', 'align'],
  // The page's policy takes HTML from the sanitiser alone.
  RETURN_TRUSTED_TYPE: true,
}

/** For `dangerouslySetInnerHTML`. Preact writes the value as it is, whatever its type says. */
export function safeHtml(text: string): { __html: string } {
  return { __html: DOMPurify.sanitize(renderMarkdown(text), settings) as unknown as string }
}
