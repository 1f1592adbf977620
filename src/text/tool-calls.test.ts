/** Tool calls, whole and in pieces. */
import { Ajv } from 'ajv'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { prepareFormat } from '../generate/constrain/constraint.js'
import {
  parseToolCalls,
  readCalls,
  type Tool,
  type ToolCall,
  ToolCallStream,
  toolCallSchema,
  toolCallText,
  toolResultText,
  toolSystemText,
} from './tool-calls.js'

const weather: Tool = {
  name: 'get_current_weather',
  description: 'Get the current weather in a given location',
  parameters: {
    type: 'object',
    properties: { location: { type: 'string' } },
    required: ['location'],
    additionalProperties: false,
  },
}
const call = '{"name": "get_current_weather", "parameters": {"location": "Shanghai"}}'
const read: ToolCall = { name: 'get_current_weather', arguments: '{"location":"Shanghai"}' }

describe('parseToolCalls', () => {
  it.each([
    ['the official example', `Sure.<|action_start|><|plugin|>\n${call}<|action_end|>`, 'Sure.', [read]],
    [
      "the marks of XComposer2's vocabulary",
      `Sure.[UNUSED_TOKEN_144][UNUSED_TOKEN_141]\n${call}[UNUSED_TOKEN_143]`,
      'Sure.',
      [read],
    ],
    [
      'two calls',
      `<|action_start|><|plugin|>${call}<|action_end|>\n<|action_start|><|plugin|>${call}<|action_end|>`,
      '',
      [read, read],
    ],
    ['a list of calls', `<|action_start|><|plugin|>[${call},${call}]<|action_end|>`, '', [read, read]],
    ['a call without its end mark', `Yes. <|action_start|><|plugin|>${call}`, 'Yes.', [read]],
    [
      'arguments in the other words',
      '<|action_start|><|plugin|>{"name":"f","arguments":"{\\"a\\":1}"}<|action_end|>',
      '',
      [{ name: 'f', arguments: '{"a":1}' }],
    ],
    ['no arguments', '<|action_start|><|plugin|>{"name":"f"}<|action_end|>', '', [{ name: 'f', arguments: '{}' }]],
    ['no call at all', 'The weather is fine. {"name": "f"}', 'The weather is fine. {"name": "f"}', []],
    [
      'broken JSON',
      '<|action_start|><|plugin|>{"name": <|action_end|> x',
      '<|action_start|><|plugin|>{"name": <|action_end|> x',
      [],
    ],
    ['JSON that is no call', '<|action_start|><|plugin|>[]<|action_end|>', '<|action_start|><|plugin|>[]<|action_end|>', []],
    ['a call that is cut', '<|action_start|><|plugin|>{"name": "f", "par', '<|action_start|><|plugin|>{"name": "f", "par', []],
    ['the beginning of a mark', 'a <|action_st', 'a <|action_st', []],
  ])('%s', (_, text, content, calls) => {
    expect(parseToolCalls(text)).toEqual({ content, calls })
  })

  it('gives back what toolCallText wrote', () => {
    const calls = fc.array(
      fc.record({
        name: fc.string({ minLength: 1 }),
        value: fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }),
      }),
    )
    fc.assert(
      fc.property(fc.string(), calls, (content, all) => {
        const plain = content.replaceAll(/[<[]/g, '').trim()
        const written = all.map(({ name, value }) => ({ name, arguments: JSON.stringify(JSON.parse(JSON.stringify(value))) }))
        fc.pre(!JSON.stringify(written).includes('action_') && !JSON.stringify(written).includes('UNUSED'))
        expect(parseToolCalls(toolCallText(plain, written))).toEqual({ content: plain, calls: written })
      }),
    )
  })
})

describe('a stream of pieces', () => {
  it('gives the same whatever the pieces are, and never the beginning of a mark', () => {
    const part = fc.constantFrom(
      'Sure. ',
      '<|action_start|><|plugin|>',
      call,
      '<|action_end|>',
      '[UNUSED_TOKEN_144][UNUSED_TOKEN_141]',
      '[UNUSED_TOKEN_143]',
      '<',
      '<|',
      '[',
      'x',
    )
    fc.assert(
      fc.property(fc.array(part), fc.array(fc.integer({ min: 1, max: 7 })), (parts, sizes) => {
        const text = parts.join('')
        const stream = new ToolCallStream()
        let content = ''
        const calls: ToolCall[] = []
        for (let at = 0, i = 0; at < text.length; i++) {
          const size = sizes[i % Math.max(1, sizes.length)] ?? 3
          const out = stream.push(text.slice(at, at + size))
          expect(out.content).not.toMatch(/^<\|action_start\|><\|plugin\|>$/)
          content += out.content
          calls.push(...out.calls)
          at += size
        }
        const last = stream.end()
        expect({ content: (content + last.content).trim(), calls: [...calls, ...last.calls] }).toEqual(parseToolCalls(text))
      }),
    )
  })
})

describe('texts for the model', () => {
  it('lists the tools as JSON', () => {
    const text = toolSystemText([weather, { name: 'now' }])
    const listed = JSON.parse(text.slice(text.indexOf('['), text.lastIndexOf(']') + 1)) as unknown
    expect(listed).toEqual([weather, { name: 'now', parameters: { type: 'object', properties: {} } }])
    expect(text).toContain('<|action_start|><|plugin|>\n{"name": NAME, "parameters": {...}}<|action_end|>')
  })

  it('gives results as JSON, and as text where they are none', () => {
    const text = toolResultText([
      { name: 'a', content: '{"temperature": 22}' },
      { name: 'b', content: 'a "text"' },
    ])
    expect(text.split('\n').map((line): unknown => JSON.parse(line))).toEqual([
      { name: 'a', result: { temperature: 22 } },
      { name: 'b', result: 'a "text"' },
    ])
  })

  it('has a schema of calls that a format can enforce', () => {
    const schema = toolCallSchema([weather, { name: 'now' }])
    expect(() => prepareFormat({ type: 'json_schema', schema })).not.toThrow()
    const allows = new Ajv().compile(schema)
    expect(
      [
        call,
        '{"name":"now","parameters":{}}',
        '{"name":"other","parameters":{}}',
        '{"name":"get_current_weather","parameters":{}}',
      ].map((text) => allows(JSON.parse(text))),
    ).toEqual([true, true, false, false])
    expect(readCalls(call)).toEqual([read])
  })
})
