/** The TypeScript that readers are shown: ```ts blocks of pages and `@example`s of sources, with the place of each. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

export interface CodeExample {
  /** File, relative to the root of the repository. */
  readonly file: string
  /** Line of the file at which the code begins, from 1. */
  readonly line: number
  readonly code: string
  /** A page's block is a whole program; a source's example stands beside what it explains, without imports. */
  readonly kind: 'page' | 'source'
}

/** The ```ts blocks of a page. */
export function codeBlocks(root: string, file: string): CodeExample[] {
  const found: CodeExample[] = []
  let open: { line: number; code: string[]; indent: string } | undefined
  for (const [i, text] of readFileSync(join(root, file), 'utf8').split('\n').entries()) {
    const fence = /^( *)```(\w*)/.exec(text)
    if (open && fence) {
      found.push({ file, line: open.line, code: open.code.join('\n'), kind: 'page' })
      open = undefined
    } else if (open) open.code.push(text.startsWith(open.indent) ? text.slice(open.indent.length) : text)
    else if (fence?.[2] === 'ts') open = { line: i + 2, code: [], indent: fence[1] ?? '' }
    else if (fence) {
      // A block of another language: nothing in it opens one of ours.
      open = undefined
    }
  }
  return found
}

/** The `@example`s of a source file: to the next tag, an empty line between paragraphs of prose, or the end of the comment. */
export function sourceExamples(root: string, file: string): CodeExample[] {
  const found: CodeExample[] = []
  let open: { line: number; code: string[] } | undefined
  for (const [i, text] of readFileSync(join(root, file), 'utf8').split('\n').entries()) {
    const begin = /^\s*(?:\/\*\*|\*) ?@example ?(.*?)(\*\/)?$/.exec(text)
    const line = /^\s*\* ?(.*?)(\*\/)?$/.exec(text)
    const ends = open && (begin || !line || /^\s*\*\/|^\s*\* ?@\w/.test(text))
    if (open && ends) {
      found.push({ file, line: open.line, code: open.code.join('\n'), kind: 'source' })
      open = undefined
    }
    if (begin) open = { line: i + 1, code: [begin[1] ?? ''] }
    else if (open && !/^\s*```/.test(line?.[1] ?? '')) open.code.push(line?.[1] ?? '')
    else if (open) open.code.push('')
  }
  return found
}

/** Every example of the project. */
export function allExamples(root: string): CodeExample[] {
  const pages = [
    'README.md',
    ...readdirSync(join(root, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ]
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
  return [...pages.flatMap((page) => codeBlocks(root, page)), ...sources.sort().flatMap((source) => sourceExamples(root, source))]
}
