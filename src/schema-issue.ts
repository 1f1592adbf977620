/** The first thing that a schema found wrong in a value from outside, in this project's words. */
import type { z } from 'zod'

export interface SchemaIssue {
  readonly path: readonly PropertyKey[]
  /** `data.0.file`; empty for the value as a whole. */
  readonly field: string
  readonly message: string
}

export function firstIssue(error: z.ZodError): SchemaIssue {
  const issue = error.issues[0]
  if (!issue) return { path: [], field: '', message: 'not as expected' }
  if (issue.code === 'unrecognized_keys') {
    const path = [...issue.path, issue.keys[0] ?? '']
    return { path, field: path.join('.'), message: 'unknown field; check its spelling' }
  }
  return { path: issue.path, field: issue.path.join('.'), message: issue.message.replace(/^Invalid input: /, '') }
}
