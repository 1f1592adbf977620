/** The first thing that a schema found wrong in a value from outside, in this project's words. */
import { z } from 'zod'
import { describe } from './json.js'
import { suggestion } from './spelling.js'

export interface SchemaIssue {
  readonly path: readonly PropertyKey[]
  /** `data.0.file`; empty for the value as a whole. */
  readonly field: string
  readonly message: string
}

/**
 * @param value what the schema was given
 * @param form the schema, so that a misspelt field can be told which was meant
 */
export function firstIssue(error: z.ZodError, value: unknown, form?: z.ZodType): SchemaIssue {
  const issue = error.issues[0] && innermost(error.issues[0])
  if (!issue) return { path: [], field: '', message: 'not as expected' }
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys
    const path = [...issue.path, key]
    const meant = suggestion(key, form ? fieldsAt(form, issue.path) : [])
    return { path, field: path.join('.'), message: `unknown field${meant || '; check its spelling'}` }
  }
  // A check of our own says what it got itself.
  if (issue.code === 'custom') return { path: issue.path, field: issue.path.join('.'), message: issue.message }
  return { path: issue.path, field: issue.path.join('.'), message: `${wording(issue.message)}${got(issue.path, value)}` }
}

type Issue = z.core.$ZodIssue

/** Of a choice between forms, what is wrong inside the one that the value is meant to be: the one that was read furthest. */
function innermost(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue
  const firsts = issue.errors.flatMap(([first]) => (first ? [innermost(first)] : []))
  const furthest = firsts.reduce<Issue | undefined>(
    (best, one) => (one.path.length > (best?.path.length ?? 0) ? one : best),
    undefined,
  )
  return furthest ? { ...furthest, path: [...issue.path, ...furthest.path] } : issue
}

/** Names of the fields that a schema's object at `path` may have. */
function fieldsAt(form: unknown, path: readonly PropertyKey[]): string[] {
  if (form instanceof z.ZodOptional || form instanceof z.ZodNullable || form instanceof z.ZodDefault)
    return fieldsAt(form.unwrap(), path)
  const [key, ...rest] = path
  if (form instanceof z.ZodArray) return key === undefined ? [] : fieldsAt(form.element, rest)
  if (!(form instanceof z.ZodObject)) return []
  return key === undefined ? Object.keys(form.shape) : fieldsAt(form.shape[key as string], rest)
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
