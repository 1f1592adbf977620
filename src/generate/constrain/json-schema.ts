/**
 * JSON Schema as grammar (draft 2020-12, and what older drafts share with it). What the grammar allows, the schema does: the other way
 * round it may be stricter (properties come in the schema's order, and objects that list properties have no others unless they say so).
 * A keyword that cannot be kept is refused by name, never ignored.
 */
import { InputError } from '../../common/errors.js'
import { describe, isRecord } from '../../common/json.js'
import { ALL, stringCharacter } from './characters.js'
import type { Expression, Grammar, Rule } from './expression.js'
import { JsonForms, type Property } from './json-values.js'
import { intersection } from './machine.js'
import { anyNumber, type Bounds, boundedNumber } from './numbers.js'
import { PatternError, patternExpression } from './pattern.js'
import { distinct } from './schema-kinds.js'

const MAX_DEPTH = 64
const MAX_NODES = 10_000
const MAX_CHARACTERS = 256_000
const MAX_PROPERTIES = 1000
const MAX_VALUES = 1000

type Schema = Readonly<Record<string, unknown>>

/** Keywords that say nothing about the value. */
const ANNOTATIONS = new Set(
  '$schema $id $comment $defs definitions title description default examples example deprecated readOnly writeOnly'.split(' '),
)
/** Keywords of each kind of value. */
const KEYWORDS = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
} as const
const OF_KINDS: readonly string[] = Object.values(KEYWORDS).flat()
/** Keywords that stand alone but for annotations and, with some, `type`. */
const ALONE = ['const', 'enum', '$ref', 'anyOf', 'oneOf', 'allOf'] as const

/** Formats that are kept, as patterns; some are narrower than the format (no day beyond the 28th, no leap second). */
const FORMATS: Readonly<Record<string, string>> = (() => {
  const date = '\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\\d|2[0-8])'
  const time = '([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-](0\\d|1[0-4]):[0-5]\\d)'
  const byte = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
  const label = '[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?'
  return {
    date: `^${date}$`,
    time: `^${time}$`,
    'date-time': `^${date}T${time}$`,
    uuid: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
    ipv4: `^${byte}(\\.${byte}){3}$`,
    email: `^[A-Za-z0-9_]+([.+-][A-Za-z0-9_]+)*@${label}(\\.${label}){1,4}$`,
    uri: `^https?://${label}(\\.${label}){1,4}(/[A-Za-z0-9_.~-]*)*$`,
  }
})()

/**
 * The values that a schema allows.
 * @throws InputError naming the place and the keyword that cannot be kept
 */
export function schemaExpression(g: Grammar, schema: unknown): Expression {
  checkSize(schema)
  return new SchemaReader(g, schema).read()
}

/** @throws InputError for a schema that is too large or too deep; walks no deeper than the limit */
function checkSize(schema: unknown): void {
  let nodes = 0
  let characters = 0
  const count = (text: string): void => {
    characters += text.length
    if (characters > MAX_CHARACTERS) throw new InputError(`format: the schema has more than ${MAX_CHARACTERS} characters`)
  }
  const walk = (value: unknown, depth: number): void => {
    if (++nodes > MAX_NODES) throw new InputError(`format: the schema has more than ${MAX_NODES} values; make it smaller`)
    if (depth > MAX_DEPTH)
      throw new InputError(`format: the schema is nested more than ${MAX_DEPTH} deep; name its parts in "$defs"`)
    if (typeof value === 'string') count(value)
    if (typeof value !== 'object' || value === null) return
    for (const [key, item] of Object.entries(value)) {
      count(key)
      walk(item, depth + 1)
    }
  }
  walk(schema, 0)
}

class SchemaReader {
  private readonly forms: JsonForms
  private readonly rules = new Map<string, Rule>()
  /** Rules whose bodies are still to be read: one after the other, since references may lead on as far as they like. */
  private readonly waiting: { readonly rule: Rule; readonly schema: unknown; readonly at: string }[] = []

  constructor(
    private readonly g: Grammar,
    private readonly root: unknown,
  ) {
    this.forms = new JsonForms(g)
  }

  read(): Expression {
    // The root is a rule like those that `$ref` names: "#" is a common name.
    const root = this.reference('#', '#')
    for (let next = this.waiting.pop(); next; next = this.waiting.pop()) next.rule.body = this.value(next.schema, next.at)
    return root
  }

  private value(schema: unknown, at: string): Expression {
    if (schema === true) return this.forms.any()
    if (schema === false) return this.g.nothing
    if (!isRecord(schema)) throw new InputError(`format: ${at}: expected a schema, got ${describe(schema)}`)
    const given = Object.keys(schema).filter((key) => schema[key] !== undefined && !ANNOTATIONS.has(key) && !key.startsWith('x-'))
    const unknown = given.find((key) => key !== 'type' && !OF_KINDS.includes(key) && !ALONE.some((name) => name === key))
    if (unknown !== undefined) throw unsupported(at, unknown)
    const alone = ALONE.find((name) => given.includes(name))
    if (!alone) return this.ofTypes(schema, given, at)
    const typed = alone === 'const' || alone === 'enum'
    const beside = given.find((key) => key !== alone && !(typed && key === 'type'))
    if (beside !== undefined) throw unsupported(at, beside, ` beside "${alone}"`)
    const value = schema[alone]
    switch (alone) {
      case 'const':
        return this.values(schema, [value], at)
      case 'enum':
        if (!Array.isArray(value)) throw wrong(at, alone, 'a list of values', value)
        return this.values(schema, value, at)
      case '$ref':
        return this.reference(value, at)
      default:
        return this.alternatives(alone, value, at)
    }
  }

  private values(schema: Schema, values: readonly unknown[], at: string): Expression {
    if (values.length > MAX_VALUES)
      throw new InputError(`format: ${at}: "enum" has ${values.length} values, expected at most ${MAX_VALUES}`)
    const types = schema.type === undefined ? undefined : typesOf(schema, at)
    const fits = (value: unknown): boolean => !types || types.some((type) => isOfType(value, type))
    return this.g.choice(...values.filter(fits).map((value) => this.forms.literal(value)))
  }

  private alternatives(keyword: 'anyOf' | 'oneOf' | 'allOf', value: unknown, at: string): Expression {
    if (!Array.isArray(value) || value.length === 0) throw wrong(at, keyword, 'a list of schemas', value)
    if (keyword === 'allOf' && value.length > 1) throw unsupported(at, keyword, ' with more than one schema')
    if (keyword === 'oneOf' && !distinct(value, (reference) => resolve(this.root, reference)))
      throw unsupported(at, keyword, ' whose schemas may allow the same value; write "anyOf"')
    return this.g.choice(...value.map((one, i) => this.value(one, `${at}/${keyword}/${i}`)))
  }

  private reference(reference: unknown, at: string): Expression {
    if (typeof reference !== 'string') throw wrong(at, '$ref', 'a text', reference)
    const known = this.rules.get(reference)
    if (known) return known
    const target = resolve(this.root, reference)
    if (target === undefined)
      throw new InputError(`format: ${at}: "$ref": there is no ${describe(reference)} in the schema; expected "#/$defs/..."`)
    const rule = this.g.rule()
    this.rules.set(reference, rule)
    this.waiting.push({ rule, schema: target, at: pointerPart(reference) })
    return rule
  }

  private ofTypes(schema: Schema, given: readonly string[], at: string): Expression {
    const implied = (Object.keys(KEYWORDS) as (keyof typeof KEYWORDS)[]).filter((kind) =>
      KEYWORDS[kind].some((key) => given.includes(key)),
    )
    const types = schema.type === undefined ? implied : typesOf(schema, at)
    if (types.length === 0 && schema.type === undefined) return this.forms.any()
    return this.g.choice(...types.map((type) => this.ofType(schema, type, at)))
  }

  private ofType(schema: Schema, type: string, at: string): Expression {
    switch (type) {
      case 'object':
        return this.object(schema, at)
      case 'array':
        return this.array(schema, at)
      case 'string':
        return this.string(schema, at)
      case 'number':
      case 'integer':
        return this.number(schema, type === 'integer', at)
      case 'boolean':
        return this.g.choice(this.g.text('true'), this.g.text('false'))
      default:
        return this.g.text('null')
    }
  }

  private object(schema: Schema, at: string): Expression {
    const { properties = {}, required = [], additionalProperties: more } = schema
    if (!isRecord(properties)) throw wrong(at, 'properties', 'an object of schemas', properties)
    if (!Array.isArray(required) || !required.every((name) => typeof name === 'string'))
      throw wrong(at, 'required', 'a list of names', required)
    const names = [...new Set([...Object.keys(properties), ...required])]
    if (names.length > MAX_PROPERTIES)
      throw new InputError(`format: ${at}: "properties" has ${names.length} names, expected at most ${MAX_PROPERTIES}`)
    const others = more ?? (Object.keys(properties).length === 0 ? true : undefined)
    const extra = others === undefined || others === false ? undefined : this.value(others, `${at}/additionalProperties`)
    const listed = names.map((name): Property => {
      const own = Object.hasOwn(properties, name)
      const unlisted = more === undefined ? this.forms.any() : (extra ?? this.g.nothing)
      const value = own ? this.value(properties[name], `${at}/properties/${pointerPart(name)}`) : unlisted
      return { name, value, required: required.includes(name) }
    })
    return this.forms.object(listed, extra)
  }

  private array(schema: Schema, at: string): Expression {
    const { prefixItems = [], items, uniqueItems = false } = schema
    if (uniqueItems !== false) throw unsupported(at, 'uniqueItems')
    if (Array.isArray(items)) throw unsupported(at, 'items', ' as a list; write "prefixItems"')
    if (!Array.isArray(prefixItems)) throw wrong(at, 'prefixItems', 'a list of schemas', prefixItems)
    const min = count(schema, 'minItems', 0, at)
    const max = count(schema, 'maxItems', Number.POSITIVE_INFINITY, at)
    if (min > max) return this.g.nothing
    const first = prefixItems.slice(0, max).map((item, i) => this.value(item, `${at}/prefixItems/${i}`))
    // A list of items given one by one ends with them, unless it says or needs more.
    const open = items !== undefined || first.length < min || prefixItems.length === 0
    const rest = open ? this.value(items ?? true, `${at}/items`) : this.g.nothing
    return this.forms.array(first, rest, Math.max(0, min - first.length), open ? max - first.length : 0)
  }

  private string(schema: Schema, at: string): Expression {
    const min = count(schema, 'minLength', 0, at)
    const max = count(schema, 'maxLength', Number.POSITIVE_INFINITY, at)
    const { pattern, format } = schema
    const contents: Expression[] = []
    if (pattern !== undefined) {
      if (typeof pattern !== 'string') throw wrong(at, 'pattern', 'a text', pattern)
      contents.push(this.pattern(pattern, at))
    }
    if (format !== undefined) {
      const known = typeof format === 'string' && Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined
      if (known === undefined)
        throw new InputError(
          `format: ${at}: "format": ${describe(format)} is not supported, only ${Object.keys(FORMATS).join(', ')} are`,
        )
      contents.push(this.pattern(known, at))
    }
    if (contents.length === 0) return this.forms.string(min, max)
    if (min > 0 || max !== Number.POSITIVE_INFINITY) {
      if (min > max) return this.g.nothing
      contents.push(this.g.repeat(stringCharacter(this.g, ALL), min, max))
    }
    return this.forms.quoted(contents.reduce((a, b) => intersection(this.g, a, b)))
  }

  private pattern(pattern: string, at: string): Expression {
    try {
      return patternExpression(this.g, pattern)
    } catch (error) {
      if (!(error instanceof PatternError)) throw error
      throw new InputError(`format: ${at}: "pattern": ${error.message}; write it otherwise or leave it out`)
    }
  }

  private number(schema: Schema, whole: boolean, at: string): Expression {
    const { multipleOf } = schema
    if (multipleOf !== undefined && multipleOf !== 1) throw unsupported(at, 'multipleOf', ' but for 1')
    const bounds = boundsOf(schema, at)
    const integer = whole || multipleOf === 1
    if (bounds.low === undefined && bounds.high === undefined) return anyNumber(this.g, integer)
    const number = boundedNumber(this.g, bounds, integer)
    if (!number) throw new InputError(`format: ${at}: its bounds have more digits than can be kept; round them`)
    return number
  }
}

function boundsOf(schema: Schema, at: string): Bounds {
  const number = (key: string): number | undefined => {
    const value = schema[key]
    if (value === undefined) return undefined
    if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(at, key, 'a number', value)
    return value
  }
  const [low, above, high, below] = [number('minimum'), number('exclusiveMinimum'), number('maximum'), number('exclusiveMaximum')]
  const lowIsOut = above !== undefined && (low === undefined || above >= low)
  const highIsOut = below !== undefined && (high === undefined || below <= high)
  const [least, most] = [lowIsOut ? above : low, highIsOut ? below : high]
  return { ...(least === undefined ? {} : { low: least }), lowIsOut, ...(most === undefined ? {} : { high: most }), highIsOut }
}

function count(schema: Schema, key: string, absent: number, at: string): number {
  const value = schema[key] ?? absent
  if (typeof value === 'number' && value >= 0 && (Number.isInteger(value) || value === absent)) return value
  throw wrong(at, key, 'a whole number >= 0', value)
}

const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']

function typesOf(schema: Schema, at: string): string[] {
  const { type } = schema
  const types = Array.isArray(type) ? type : [type]
  if (!types.every((one): one is string => typeof one === 'string' && TYPES.includes(one)))
    throw wrong(at, 'type', `one of ${TYPES.join(', ')}`, type)
  return types
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return isRecord(value)
  if (type === 'integer') return Number.isInteger(value)
  return typeof value === type
}

/** The schema that a reference names; undefined where there is none. Only places of the same schema are looked up. */
function resolve(root: unknown, reference: string): unknown {
  if (reference !== '#' && !reference.startsWith('#/')) return undefined
  let at = root
  for (const part of reference.split('/').slice(1)) {
    let name: string
    try {
      name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    } catch {
      return undefined
    }
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Record<string, unknown>)[name]
  }
  return at
}

const pointerPart = (name: string): string => (name.length > 40 ? `${name.slice(0, 40)}...` : name)

function unsupported(at: string, keyword: string, how = ''): InputError {
  return new InputError(
    `format: ${at}: "${pointerPart(keyword)}"${how} is not supported; leave it out and check the answer yourself`,
  )
}

function wrong(at: string, keyword: string, expected: string, got: unknown): InputError {
  return new InputError(`format: ${at}: "${keyword}": expected ${expected}, got ${describe(got)}`)
}
