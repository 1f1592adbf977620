/**
 * Step 2, sections: the raw article becomes the lines that images are placed after, and each line's part in the page
 * (title, heading, paragraph). Asks no model. Follows SPEC section 10, step 2; the parts are ours, for rendering only.
 */
import { fill } from './prompt.js'
import { compositionTexts } from './texts.js'

export const mostSections = 60

export type SectionKind = 'title' | 'heading' | 'paragraph'

/** Every line of an article, however many. Lines keep their trailing spaces, as the model saw them in training. */
export function splitLines(article: string): string[] {
  const text = article.trim()
  return text === '' ? [] : text.replace(/\n\s*/g, '\n').split('\n')
}

/** The first 60 lines of an article. */
export function sections(article: string): string[] {
  return splitLines(article).slice(0, mostSections)
}

/** The lines as the prompts show them: `<Seg0> first\n<Seg1> second\n`. */
export function renderSections(lines: readonly string[]): string {
  return lines.map((paragraph, i) => fill(compositionTexts.sectionLine, { i: String(i), paragraph })).join('')
}

const endsSentence = /[.!?…。！？；;:：,，、"”」』）)]\s*$/u

/** What each line is on the page. A title is only ever the first line, and a last line is always a paragraph. */
export function sectionKinds(lines: readonly string[]): SectionKind[] {
  return lines.map((line, i) => {
    if (i === lines.length - 1) return 'paragraph'
    const marked = /^\s*#{1,6}\s/.test(line) || /^\s*《[^》]+》\s*$/.test(line) || /^\s*(title|标题)\s*[:：]/iu.test(line)
    const short = [...line.trim()].length <= (i === 0 ? 90 : 48) && !endsSentence.test(line)
    if (!marked && !short) return 'paragraph'
    return i === 0 ? 'title' : 'heading'
  })
}

/** A title or heading without the marks around it: `# Harbour` -> `Harbour`, `《港口》` -> `港口`. */
export function headingText(line: string): string {
  return line
    .trim()
    .replace(/^#{1,6}\s+/, '')
    .replace(/^(title|标题)\s*[:：]\s*/iu, '')
    .replace(/^《([^》]+)》$/u, '$1')
    .replace(/^\*\*(.+)\*\*$/u, '$1')
    .replace(/^["“](.+)["”]$/u, '$1')
    .trim()
}
