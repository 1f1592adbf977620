/** Answers in a format, from random logits over nano's vocabulary and a large one, judged by JSON.parse and by Ajv. */
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InputError } from '../../common/errors.js'
import { packageRoot } from '../../common/package-root.js'
import { Tokenizer } from '../../text/tokenizer.js'
import { createRandom } from '../sample.js'
import { TokenChooser } from '../token-chooser.js'
import { type AnswerFormat, formatConstraint, prepareFormat } from './constraint.js'

const tokenizer = Tokenizer.load(`${packageRoot}/models/nano/tokenizer.model`)
const stopIds = [tokenizer.eosId, tokenizer.endOfTurnId]
const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: true })
formats.default(ajv)

/** Pieces that end something: a writer in a hurry prefers them. */
const enders = Array.from({ length: tokenizer.size }, (_, id) => id).filter((id) => /^["\]}]+$/.test(textOf(id)))

function textOf(id: number): string {
  return new TextDecoder().decode(tokenizer.bytesOf(id) ?? new Uint8Array(0))
}

/** Writes from random logits until the end of the turn; in a hurry after `patience` ids. */
function write(format: AnswerFormat, seed: number, patience = 25, most = 400): { text: string; ended: boolean } {
  const random = createRandom(seed)
  const constraint = formatConstraint(tokenizer, format, stopIds)
  const chooser = new TokenChooser({ stopIds, constraint })
  const stream = tokenizer.stream({ cleanUp: false })
  let text = ''
  for (let made = 0; made < most; made++) {
    const logits = Float32Array.from({ length: tokenizer.size }, () => random.next() * 4)
    if (made > patience) {
      for (const id of [...enders, ...stopIds]) logits[id] = 60
    }
    const wasComplete = constraint.isComplete()
    const { id, stops } = chooser.next(logits)
    if (wasComplete) expect(stops).toBe(true)
    if (stops) return { text: text + stream.end(), ended: true }
    text += stream.push(id)
  }
  return { text, ended: false }
}

/** Whether a text is one that the format allows, or (`partly`) the beginning of one. */
function allows(format: AnswerFormat, text: string, partly = false): boolean {
  const machine = prepareFormat(format)
  machine.beginWalk()
  let state: ReturnType<typeof machine.step> = machine.start
  for (const byte of new TextEncoder().encode(text)) state = state && machine.step(state, machine.classOf[byte] as number)
  return state !== null && (partly || state.ends)
}

const schema = (value: unknown): AnswerFormat => ({ type: 'json_schema', schema: value })

const strings = fc.record(
  {
    type: fc.constant('string'),
    minLength: fc.nat(4),
    maxLength: fc.integer({ min: 4, max: 12 }),
  },
  { requiredKeys: ['type'] },
)
const patterns = fc
  .constantFrom(
    '^[a-z]{2,5}$',
    'b+',
    '^(a|bc)*d?$',
    '^\\d{3}-\\w+$',
    '[^x"\\\\]y',
    '^.{0,3}é$',
    '(a+)+b',
    '^\\s?$',
    '\u4e2d|\\u{1f600}',
  )
  .map((pattern) => ({ type: 'string', pattern }))
const bounded = fc
  .constantFrom('^[a-z]*$', 'b', '^[^]*$')
  .map((pattern) => ({ type: 'string', pattern, minLength: 2, maxLength: 6 }))
const formatted = fc
  .constantFrom('date', 'time', 'date-time', 'uuid', 'ipv4', 'email', 'uri')
  .map((format) => ({ type: 'string', format }))
const bound = fc.oneof(
  fc.integer({ min: -1200, max: 1200 }),
  fc.integer({ min: -99999, max: 99999 }).map((n) => n / 1000),
)
const numbers = fc
  .record({
    type: fc.constantFrom('number', 'integer'),
    low: bound,
    span: fc.nat(3000),
    out: fc.boolean(),
    sides: fc.constantFrom('low', 'high', 'both', 'none'),
  })
  .map(({ type, low, span, out, sides }) => ({
    type,
    ...(sides === 'low' || sides === 'both' ? { [out ? 'exclusiveMinimum' : 'minimum']: low } : {}),
    ...(sides === 'high' || sides === 'both'
      ? { [out ? 'exclusiveMaximum' : 'maximum']: Math.round((low + span + 2) * 1000) / 1000 }
      : {}),
  }))
const values = fc
  .array(fc.jsonValue({ maxDepth: 2 }), { minLength: 1, maxLength: 4 })
  .map((all) => ({ enum: [...new Set(all.map((value) => JSON.stringify(value)))].map((text): unknown => JSON.parse(text)) }))
// Without `__proto__`, which Ajv passes over wherever a schema names it; a test of its own judges that.
const name = fc.oneof(fc.constantFrom('a', 'ab', 'name', 'größe', '中文', 'a"b', 'x y'), fc.string({ maxLength: 5 }))

const schemas = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'schema' },
    fc.constant({}),
    fc.constantFrom({ type: 'boolean' }, { type: 'null' }, { type: ['string', 'null'], maxLength: 3 }, true),
    strings,
    patterns,
    bounded,
    formatted,
    numbers,
    values,
    tie('array'),
    tie('object'),
    tie('some'),
    fc.constantFrom({ $ref: '#/$defs/tree' }, { $ref: '#/$defs/list' }),
  ),
  array: fc.record(
    { type: fc.constant('array'), items: tie('any'), minItems: fc.nat(2), maxItems: fc.integer({ min: 2, max: 4 }) },
    { requiredKeys: ['type', 'items'] },
  ),
  object: fc
    .record({
      properties: fc.dictionary(name, tie('any'), { maxKeys: 4, noNullPrototype: true }),
      required: fc.array(fc.nat(5), { maxLength: 3 }),
      more: fc.constantFrom(undefined, false, true, { type: 'integer' }),
    })
    .map(({ properties, required, more }) => {
      const names = Object.keys(properties)
      const own = [...new Set(required.flatMap((i) => names[i] ?? []))]
      return { type: 'object', properties, required: own, ...(more === undefined ? {} : { additionalProperties: more }) }
    }),
  some: fc.array(tie('any'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
}))

/** A schema with parts that name themselves. */
const whole = schemas.any.map((inner) => ({
  $defs: {
    tree: {
      type: 'object',
      properties: { value: { type: 'integer', minimum: 0 }, children: { type: 'array', items: { $ref: '#/$defs/tree' } } },
      required: ['value', 'children'],
      additionalProperties: false,
    },
    list: { anyOf: [{ type: 'null' }, { type: 'object', properties: { rest: { $ref: '#/$defs/list' } }, required: ['rest'] }] },
  },
  type: 'object',
  properties: { inner },
  required: ['inner'],
  additionalProperties: false,
}))

describe('an answer in a format', () => {
  it('parses and fulfils its schema, whatever the model gives for logits', () => {
    let ended = 0
    fc.assert(
      fc.property(whole, fc.nat(), (value, seed) => {
        const answer = write(schema(value), seed)
        if (!answer.ended) return
        ended++
        const parsed: unknown = JSON.parse(answer.text)
        const validate = ajv.compile(value)
        expect(validate(parsed), `${answer.text} for ${JSON.stringify(value)}: ${ajv.errorsText(validate.errors)}`).toBe(true)
      }),
      { numRuns: 60 },
    )
    expect(ended).toBeGreaterThan(45)
  })

  it('has a property called __proto__ where its schema does, as JSON.parse reads it', () => {
    const inner: unknown = JSON.parse('{"__proto__": {"enum": [7]}}')
    const value = { type: 'object', properties: inner, required: ['__proto__'], additionalProperties: false }
    const { text, ended } = write(schema(value), 1)
    expect(ended).toBe(true)
    expect(Object.entries(JSON.parse(text) as object)).toEqual([['__proto__', 7]])
  })

  it('is a JSON object where only JSON is asked for', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { text, ended } = write({ type: 'json' }, seed)
        if (ended) expect(JSON.parse(text)).toBeTypeOf('object')
        expect(text.startsWith('{')).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  it('is every value that JSON writes for the schema, in the order of the schema', () => {
    const person = schema({
      type: 'object',
      properties: { name: { type: 'string' }, age: { type: 'integer' }, tags: { type: 'array', items: { enum: ['a', 'b'] } } },
      required: ['name'],
    })
    for (const value of [
      { name: '' },
      { name: 'Ü "x" \\ \n😀' },
      { name: 'n', age: -7 },
      { name: 'n', tags: [] },
      { name: 'n', age: 0, tags: ['b', 'a'] },
    ]) {
      expect(allows(person, JSON.stringify(value)), JSON.stringify(value)).toBe(true)
      expect(allows(person, JSON.stringify(value, null, 2))).toBe(true)
    }
    for (const text of [
      '{}',
      '{"age":1,"name":"n"}',
      '{"name":1}',
      '{"name":"n","x":1}',
      '{"name":"n",}',
      '{"name":"n"} ',
      ' {"name":"n"}',
      '{"name":"\n"}',
      '{"name":"\\ud800"}',
    ])
      expect(allows(person, text), text).toBe(false)
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // Long numbers are rounded when they are read, so fewer digits are written.
        const text = JSON.stringify(value).replace(/-?\d+(\.\d+)?(e[+-]?\d+)?/g, '1')
        expect(allows(schema(true), text)).toBe(!/\\ud[89a-f]/.test(text))
      }),
    )
  })

  it('keeps bounds of numbers exactly', () => {
    fc.assert(
      fc.property(numbers, fc.integer({ min: -2_000_000, max: 2_000_000 }), (value, thousandths) => {
        const number = value.type === 'integer' ? Math.round(thousandths / 1000) : thousandths / 1000
        expect(allows(schema(value), String(number)), `${number} for ${JSON.stringify(value)}`).toBe(ajv.validate(value, number))
      }),
      { numRuns: 300 },
    )
  })

  it('keeps patterns as JavaScript reads them', () => {
    const pattern = fc.constantFrom(
      '^[a-c]{2,4}$',
      'b+',
      '^(a|bc)*c?$',
      'a.c',
      '^[^ab]',
      'c$',
      '(a+)+b',
      '^a??b{2}$',
      'a|^b$',
      '^(?:ab|c){1,2}$',
    )
    fc.assert(
      fc.property(pattern, fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\n', 'é', '😀'), maxLength: 8 }), (source, text) => {
        expect(allows(schema({ type: 'string', pattern: source }), JSON.stringify(text))).toBe(new RegExp(source, 'u').test(text))
      }),
      { numRuns: 2000 },
    )
  })

  it('takes other keys than those it lists, and only those', () => {
    const other = schema({ type: 'object', properties: { ab: { type: 'null' } }, additionalProperties: { type: 'integer' } })
    for (const text of ['{}', '{"ab":null}', '{"a":1}', '{"abc":1}', '{"ab":null,"b":2,"c":3}', '{"":1}'])
      expect(allows(other, text), text).toBe(true)
    for (const text of ['{"ab":1}', '{"a":null}', '{"a":1,"ab":null}', '{"\\u0061b":1}'])
      expect(allows(other, text), text).toBe(false)
  })

  it('stands still where it was forked', () => {
    const constraint = formatConstraint(tokenizer, schema({ enum: ['aa', 'ab'] }), stopIds)
    const [quote, a, b] = ['"', 'a', 'b'].map((text) => tokenizer.encode(text)[0] as number) as [number, number, number]
    constraint.accept(quote)
    constraint.accept(a)
    const fork = constraint.fork()
    fork.accept(b)
    fork.accept(quote)
    expect([fork.isComplete(), constraint.isComplete()]).toEqual([true, false])
    expect(() => fork.accept(a)).toThrow(/may not come/)
    constraint.accept(a)
  })
})

describe('a hostile schema', () => {
  const loop = { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }
  const many = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`property ${i}`, { type: 'string' }]))
  let deep: unknown = { type: 'null' }
  for (let i = 0; i < 10_000; i++) deep = { type: 'array', items: deep }
  const cases: [string, unknown, RegExp][] = [
    ['a reference to itself', loop, /no JSON fulfils/],
    ['the root as itself', { $ref: '#' }, /no JSON fulfils/],
    ['an endless object', { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] }, /no JSON fulfils/],
    ['10,000 properties', { type: 'object', properties: many(10_000) }, /more than 10000 values|expected at most 1000/],
    ['an array of 10^9 items', { type: 'array', minItems: 1e9 }, /the shortest answer has \d+ bytes/],
    ['a string of 10^9 characters', { type: 'string', minLength: 1e9 }, /the shortest answer has/],
    ['lengths that contradict', { type: 'string', minLength: 5, maxLength: 2 }, /no JSON fulfils/],
    ['nothing', false, /no JSON fulfils/],
    ['an empty choice', { enum: [] }, /no JSON fulfils/],
    ['nothing, in a property', { type: 'object', properties: { a: false }, required: ['a'] }, /no JSON fulfils/],
    ['a pattern of 1 MB', { type: 'string', pattern: 'a'.repeat(1e6) }, /more than 256000 characters/],
    ['a long pattern', { type: 'string', pattern: 'a'.repeat(2000) }, /"pattern": it has 2000 characters/],
    ['a pattern that looks ahead', { type: 'string', pattern: '(?=a)b' }, /"pattern": \(\?= is not taken/],
    ['a pattern that looks back', { type: 'string', pattern: '(a)\\1' }, /"pattern": \\1 is not taken/],
    ['a broken pattern', { type: 'string', pattern: '(' }, /"pattern": .*Unterminated/],
    [
      'a pattern and a length that explode',
      { type: 'string', pattern: '^(a|b)*a(a|b){18}$', maxLength: 1000 },
      /too many states|too ambiguous/,
    ],
    ['nesting 10,000 deep', deep, /nested (too|more than)/],
    ['a keyword that is not kept', { type: 'array', uniqueItems: true }, /"uniqueItems" is not supported/],
    ['a keyword that is not kept, deep', { properties: { a: { not: {} } } }, /#\/properties\/a: "not" is not supported/],
    ['a reference to elsewhere', { $ref: 'https://example.com/a' }, /there is no "https/],
    ['one of two that overlap', { oneOf: [{ type: 'integer' }, { type: 'number' }] }, /"oneOf" whose schemas may allow the same/],
    ['no schema', 'string', /expected a schema, got "string"/],
    ['a type that is none', { type: 'text' }, /"type": expected one of/],
    ['a format that is not known', { type: 'string', format: 'hostname' }, /"format": "hostname" is not supported/],
  ]
  it.each(cases)('%s is refused in one line', (_, value, message) => {
    expect(() => prepareFormat(schema(value))).toThrow(InputError)
    expect(() => prepareFormat(schema(value))).toThrow(message)
  })

  it.each([
    ['a pattern that is slow for others', { type: 'string', pattern: '(a+)+b' }],
    ['an ambiguous pattern', { type: 'string', pattern: '^(a|b)*a(a|b){15}$' }],
    ['a thousand properties, none required', { type: 'object', properties: many(1000) }],
    ['counts of 10^9 that may be small', { type: 'array', items: { type: 'string', maxLength: 1e9 }, maxItems: 1e9 }],
    [
      'an array that grows in two ways',
      {
        anyOf: [{ type: 'array', items: { $ref: '#' } }, { type: 'array', items: { $ref: '#' }, maxItems: 3 }, { type: 'null' }],
      },
    ],
    [
      'a tag that tells them apart',
      {
        oneOf: [
          { properties: { k: { const: 1 } }, required: ['k'] },
          { properties: { k: { const: 2 } }, required: ['k'] },
        ].map((one) => ({ type: 'object', ...one })),
      },
    ],
  ])('%s is written', (_, value) => {
    for (const seed of [1, 2]) {
      const { text, ended } = write(schema(value), seed, 10, 40)
      if (ended) expect(ajv.validate(value as object, JSON.parse(text)), text).toBe(true)
    }
  })
})
