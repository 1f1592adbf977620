/** Whether schemas exclude each other, as far as their types, constants and tags show: then "oneOf" is "anyOf". */
import { isRecord } from '../../common/json.js'

type Resolve = (reference: string) => unknown

/** Whether no value can be allowed by two of the schemas; false where that is not plain to see. */
export function distinct(schemas: readonly unknown[], resolve: Resolve): boolean {
  const followed = schemas.map((schema) => follow(schema, resolve))
  return followed.every((a, i) => followed.slice(i + 1).every((b) => exclude(a, b, resolve)))
}

/** Tags stand near the top; a schema may name itself below. */
const MAX_DEPTH = 4

function exclude(a: unknown, b: unknown, resolve: Resolve, depth = 0): boolean {
  if (a === false || b === false) return true
  if (depth > MAX_DEPTH) return false
  if (!isRecord(a) || !isRecord(b)) return false
  const [values, others] = [valuesOf(a), valuesOf(b)]
  if (values && others) return values.every((value) => !others.includes(value))
  const [kinds, more] = [kindsOf(a), kindsOf(b)]
  if (kinds && more && kinds.every((kind) => !more.includes(kind))) return true
  if (!kinds || !more || kinds.join() !== 'object' || more.join() !== 'object') return false
  // Both ask for the same property, with values that exclude each other.
  const [own, theirs] = [required(a), required(b)]
  return [...own].some(([name, schema]) => {
    const other = theirs.get(name)
    return other !== undefined && exclude(follow(schema, resolve), follow(other, resolve), resolve, depth + 1)
  })
}

/** The schema behind references; at most a few, since they may lead in a circle. */
function follow(schema: unknown, resolve: Resolve): unknown {
  let at = schema
  for (let i = 0; i < 8 && isRecord(at) && typeof at.$ref === 'string'; i++) at = resolve(at.$ref)
  return at
}

/** The values of "const" and "enum" as JSON; undefined where there are other values, or lists and objects, which JSON writes in many ways. */
function valuesOf(schema: Record<string, unknown>): string[] | undefined {
  const values = Object.hasOwn(schema, 'const') ? [schema.const] : schema.enum
  if (!Array.isArray(values) || values.some((value) => typeof value === 'object' && value !== null)) return undefined
  return values.map((value) => JSON.stringify(value))
}

/** The types that are allowed, integers as numbers; undefined where that is not said. */
function kindsOf(schema: Record<string, unknown>): string[] | undefined {
  const { type } = schema
  const kind = (name: unknown): string => (name === 'integer' ? 'number' : String(name))
  if (type !== undefined) return [...new Set((Array.isArray(type) ? type : [type]).map(kind))]
  const values = valuesOf(schema)?.map((text): unknown => JSON.parse(text))
  return values && [...new Set(values.map((value) => (value === null ? 'null' : typeof value)))]
}

function required(schema: Record<string, unknown>): Map<string, unknown> {
  const { properties, required: names } = schema
  if (!isRecord(properties) || !Array.isArray(names)) return new Map()
  return new Map(Object.entries(properties).filter(([name]) => names.includes(name)))
}
