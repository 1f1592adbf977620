/** The first thing that a schema found wrong in a value from outside, in this project's words. */
import type { z } from 'zod'
import { describe } from './json.js'

export interface SchemaIssue {
  readonly path: readonly PropertyKey[]
  /** `data.0.file`; empty for the value as a whole. */
  readonly field: string
  readonly message: string
}

/** @param value what the schema was given */
export function firstIssue(error: z.ZodError, value: unknown): SchemaIssue {
  const issue = error.issues[0]
  if (!issue) return { path: [], field: '', message: 'not as expected' }
  if (issue.code === 'unrecognized_keys') {
    const path = [...issue.path, issue.keys[0] ?? '']
    return { path, field: path.join('.'), message: 'unknown field; check its spelling' }
  }
  // A check of our own says what it got itself.
  if (issue.code === 'custom') return { path: issue.path, field: issue.path.join('.'), message: issue.message }
  return { path: issue.path, field: issue.path.join('.'), message: `${wording(issue.message)}${got(issue.path, value)}` }
}

/** Zod's sentence without its opening and without the type that it received: `got` shows the value. */
function wording(message: string): string {
  return message.replace(/^(Invalid (input|option)|Too (small|big)): /, '').replace(/, received \w+$/, '')
}

function got(path: readonly PropertyKey[], value: unknown): string {
  let at = value
  for (const key of path) at = typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined
  return `, got ${at === undefined ? 'nothing' : describe(at)}`
}
