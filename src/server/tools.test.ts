import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CallParser, callText, type Parsed } from './tools.js'

const tools = [{ name: 'look' }, { name: 'add' }]

function parse(pieces: readonly string[]): Parsed[] {
  const parser = new CallParser(tools, 'seed')
  return [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()]
}

/** Texts next to each other as one. */
function shown(parsed: readonly Parsed[]): (string | { name: string; arguments: string })[] {
  const out: (string | { name: string; arguments: string })[] = []
  for (const one of parsed) {
    const last = out.at(-1)
    if ('call' in one) out.push({ name: one.call.name, arguments: one.call.arguments })
    else if (typeof last === 'string') out[out.length - 1] = last + one.text
    else out.push(one.text)
  }
  return out
}

describe('calls in a reply', () => {
  it.each([
    ['InternLM2 writes them', '<|action_start|><|plugin|>\n{"name": "look", "parameters": {"at": 1}}<|action_end|>'],
    ['its ids are called', '[UNUSED_TOKEN_144][UNUSED_TOKEN_141]\n{"name": "look", "parameters": {"at": 1}}[UNUSED_TOKEN_143]'],
    ['others call the arguments', '<|action_start|>{"name": "look", "arguments": {"at": 1}}<|action_end|>'],
    ['the end is cut off', 'x'.repeat(0).concat('<|action_start|><|plugin|>{"name": "look", "parameters": {"at": 1}}')],
  ])('are found as %s', (_, text) => {
    expect(shown(parse([text]))).toEqual([{ name: 'look', arguments: '{"at":1}' }])
  })

  it.each([
    ['a tool that is not there', '<|action_start|><|plugin|>{"name": "rm", "parameters": {}}<|action_end|>'],
    ['no JSON', '<|action_start|><|plugin|>look(1)<|action_end|>'],
    ['half a call', '<|action_start|><|plugin|>{"name": "look", "param'],
    ['half a mark', 'a < b <|act'],
  ])('of %s stay text', (_, text) => {
    expect(shown(parse([text]))).toEqual([text])
  })

  it('are the same however the reply is cut into pieces', () => {
    const call = (name: string, n: number) => callText({ name, arguments: JSON.stringify({ n }) })
    const part = fc.oneof(
      fc.constantFrom('plain', ' <|', '<|action_', 'a < b', '{"name": 1}'),
      fc.tuple(fc.constantFrom('look', 'add', 'other'), fc.nat(9)).map(([name, n]) => call(name, n)),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.array(fc.nat(200), { maxLength: 10 }), (parts, cuts) => {
        const text = parts.join('')
        const at = [...new Set([0, ...cuts.map((cut) => cut % (text.length + 1)), text.length])].sort((a, b) => a - b)
        const pieces = at.slice(1).map((end, i) => text.slice(at[i], end))
        expect(shown(parse(pieces))).toEqual(shown(parse([text])))
      }),
    )
  })
})
