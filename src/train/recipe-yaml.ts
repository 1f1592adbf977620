/**
 * From a YAML text to a checked value, with errors that name file, line and field. It knows how zod reports and how YAML counts
 * lines, and nothing of what a recipe means.
 */
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { InputError } from '../common/errors.js'
import { firstIssue } from '../common/schema-issue.js'

export interface CheckedYaml<T> {
  readonly value: T
  /** An error about one field, for checks that only the caller can make (does a file exist?). */
  fail(path: readonly PropertyKey[], message: string): never
}

/** Parses and checks `text`. Throws InputError for the first mistake: `file:line: field: what`. */
export function checkYaml<T>(file: string, text: string, schema: z.ZodType<T>): CheckedYaml<T> {
  const lines = new LineCounter()
  const { document, data } = parse(file, text, lines)
  const fail = (path: readonly PropertyKey[], message: string): never => {
    throw new InputError(`${file}:${lineOf(document, lines, path)}: ${fieldName(path) || 'recipe'}: ${message}`)
  }
  const checked = schema.safeParse(data)
  if (checked.success) return { value: checked.data, fail }
  const { path, message } = firstIssue(checked.error, data, schema)
  return fail(path, message)
}

function parse(file: string, text: string, lineCounter: LineCounter): { document: Document; data: unknown } {
  try {
    const document = parseDocument(text, { lineCounter, prettyErrors: false })
    const mistake = document.errors[0] ?? document.warnings[0]
    if (mistake !== undefined) {
      throw new InputError(
        `${file}:${lineCounter.linePos(mistake.pos[0]).line}: expected YAML: ${mistake.message.split('\n')[0]}`,
      )
    }
    return { document, data: document.toJS({ maxAliasCount: 100 }) }
  } catch (error) {
    if (error instanceof InputError) throw error
    // Nesting or aliases beyond all measure end the parser itself.
    throw new InputError(`${file}:1: expected YAML: ${(error as Error).message}`)
  }
}

/** Line of the field, or of the deepest part of the path that the document has: a missing field is reported at its parent. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key: k }) => isScalar(k) && k.value === key)
      if (pair === undefined) break
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset
      node = pair.value
    } else if (isSeq(node) && typeof key === 'number') {
      node = node.items[key]
      if (!isNode(node)) break
      offset = node.range?.[0] ?? offset
    } else break
  }
  return lines.linePos(offset).line
}

/** `data[0].file` */
function fieldName(path: readonly PropertyKey[]): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${String(key)}`)).join('')
}
