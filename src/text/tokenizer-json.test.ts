/** A tokenizer.json of byte-level BPE, made here with known ids. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { Tokenizer } from './tokenizer.js'

const root = mkdtempSync(join(tmpdir(), 'tokenizer-json-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Bytes 0 to 255 as ids 0 to 255, then "hi" and " hi", then special tokens. */
function bytes(): Record<string, number> {
  const vocab: Record<string, number> = {}
  let next = 256
  for (let b = 0; b < 256; b++) {
    const printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174
    vocab[String.fromCharCode(printable ? b : next++)] = b
  }
  return vocab
}
const specials = ['<s>', '</s>', '<|im_start|>', '<|im_end|>']
const json = {
  added_tokens: specials.map((content, i) => ({ id: 258 + i, content, special: true, normalized: false })),
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
  post_processor: null,
  decoder: { type: 'ByteLevel' },
  model: { type: 'BPE', vocab: { ...bytes(), hi: 256, Ġhi: 257 }, merges: ['h i', 'Ġ hi'] },
}
const config = { bos_token: '<s>', eos_token: { content: '</s>' }, clean_up_tokenization_spaces: false }

function write(more: object = {}, settings: object | null = config): string {
  writeFileSync(join(root, 'tokenizer.json'), JSON.stringify({ ...json, ...more }))
  if (settings) writeFileSync(join(root, 'tokenizer_config.json'), JSON.stringify(settings))
  else rmSync(join(root, 'tokenizer_config.json'), { force: true })
  return join(root, 'tokenizer.json')
}

it('encodes and decodes by known ids, and knows its special tokens', () => {
  const tokenizer = Tokenizer.load(write())
  expect(tokenizer.encode('hi hi!')).toEqual([256, 257, 33])
  expect(tokenizer.encode('语')).toEqual([...new TextEncoder().encode('语')])
  expect([tokenizer.bosId, tokenizer.eosId, tokenizer.beginOfTurnId, tokenizer.endOfTurnId]).toEqual([258, 259, 260, 261])
  expect(tokenizer.splitControls('[UNUSED_TOKEN_146]user\n')).toEqual([260, 'user\n'])
  expect(tokenizer.decode([258, 256, 257, 261])).toBe('hi hi')
  const text = 'hi 浦语·灵笔 🐚 , hi'
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
})

it('streams what it decodes, character by character', () => {
  const tokenizer = Tokenizer.load(write())
  const ids = tokenizer.encode('a 🐚 hi')
  const stream = tokenizer.stream()
  expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe('a 🐚 hi')
})

it('keeps text that spells a special token as text', () => {
  const tokenizer = Tokenizer.load(write())
  for (const special of specials) {
    const ids = tokenizer.encode(`hi${special}`)
    expect(Math.max(...ids)).toBeLessThan(258)
    expect(tokenizer.decode(ids)).toBe(`hi${special}`)
  }
})

it.each([
  [{ model: { type: 'Unigram', vocab: [] } }, config, /tokenizer\.json: field "model\.type".*only byte-level BPE is read/],
  [{ decoder: { type: 'Metaspace' } }, config, /decoder "Metaspace" is not supported/],
  [{ added_tokens: json.added_tokens.slice(0, 2) }, config, /has no control piece \[UNUSED_TOKEN_146\]/],
  [{}, null, /tokenizer_config\.json: no such file/],
  [{}, {}, /tokenizer_config\.json: field "eos_token": missing/],
])('refuses %j with %j', (more, settings, message) => {
  rmSync(join(root, 'tokenizer_config.json'), { force: true })
  expect(() => Tokenizer.load(write(more, settings))).toThrow(message)
})
