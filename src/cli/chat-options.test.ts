/** --stop, --logprobs, --draft and --lookup through the command line: on nano, and on a random model without near ties. */

import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { call, chat, commandConfig, commandModel, tokenizerFile } from '../../tests/support/command-line.js'
import { writeRandomModel } from '../../tests/support/random-model.js'
import type { ChatResult } from '../chat/chat.js'
import { packagedModel, packageRoot } from '../common/package-root.js'
import { DecoderSequence } from '../inference/decoder-runtime.js'
import { XComposer } from '../inference/xcomposer.js'

const capital = 'What is the capital of France?'
const places = commandModel()

/** A short answer of nano. */
const ask = (...more: string[]) => call('chat', '--threads', '1', '--max-new-tokens', '8', ...more)

/** A command's JSON. */
async function result(ran: ReturnType<typeof call>): Promise<ChatResult> {
  const { code, out, err } = await ran
  expect([code, err]).toEqual([0, ''])
  return JSON.parse(out) as ChatResult
}

/** What does not depend on time. */
const answer = ({ text, ids, usage, finishReason }: ChatResult) => ({ text, ids, usage, finishReason })

describe('--json-schema', () => {
  it('makes the answer JSON that the schema in the file allows', async () => {
    const file = join(places.root, 'schema.json')
    writeFileSync(file, JSON.stringify({ type: 'object', properties: { city: { enum: ['Paris', 'Oslo'] } }, required: ['city'] }))
    const { code, out, err } = await ask('--max-new-tokens', '40', '--json-schema', file, capital)
    expect([code, err]).toEqual([0, ''])
    expect(['Paris', 'Oslo']).toContain((JSON.parse(out) as { city: string }).city)
    writeFileSync(file, '{"type":"object","minProperties":1}')
    const refused = await ask('--json-schema', file, capital)
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('"minProperties" is not supported')])
  })
})

describe('--stop', () => {
  // Taken from the answer, so that the test says nothing of what nano knows.
  let whole = ''
  beforeAll(async () => {
    whole = (await result(ask('--json', capital))).text
    expect(whole.length).toBeGreaterThan(2)
  })

  it('cuts the answer before the text', async () => {
    const text = whole.slice(1, 3)
    const cut = await ask('--stop', text, capital)
    expect([cut.code, cut.err, cut.out]).toEqual([0, '', `${whole.slice(0, whole.indexOf(text))}\n`])
    const { text: same, finishReason } = await result(ask('--json', '--stop', text, capital))
    expect([`${same}\n`, finishReason]).toEqual([cut.out, 'stop'])
  })

  it('may be given several times; the text that is complete first decides', async () => {
    const [first = '', last = ''] = [whole.slice(0, 1), whole.slice(-1)]
    expect((await ask('--stop', last, '--stop', first, capital)).out).toBe('\n')
  })

  it('that does not come changes nothing', async () => {
    // It begins as the answer ends, so that its beginning is held back and given out at the end.
    expect((await ask('--stop', `${whole.slice(-1)}\u0000`, capital)).out).toBe(`${whole}\n`)
  })
})

describe('--logprobs', () => {
  it.each([0, 1, 5])('prints each token with %i alternatives', async (count) => {
    const { text, ids, logprobs = [] } = await result(ask('--json', '--logprobs', String(count), capital))
    expect(logprobs.map(({ id }) => id)).toEqual(ids)
    expect(
      logprobs
        .map((token) => token.text)
        .join('')
        .trim(),
    ).toBe(text)
    for (const { top, ...chosen } of logprobs) {
      expect(top).toHaveLength(count)
      // The chosen token of a greedy answer is the likeliest.
      if (count > 0) expect(top[0]).toEqual(chosen)
      const listed = top.map(({ logprob }) => logprob)
      expect(listed).toEqual([...listed].sort((a, b) => b - a))
      for (const logprob of [chosen.logprob, ...listed]) expect(Math.exp(logprob)).toBeLessThanOrEqual(1)
      expect(listed.reduce((sum, logprob) => sum + Math.exp(logprob), 0)).toBeLessThanOrEqual(1 + 1e-6)
    }
  })

  it('is not printed unless it is asked for', async () => {
    expect(await result(ask('--json', capital))).not.toHaveProperty('logprobs')
  })
})

describe('guessing ahead', () => {
  afterEach(() => void vi.restoreAllMocks())
  /** Only what guesses ahead asks for the logits of several positions. */
  const passes = () => vi.spyOn(DecoderSequence.prototype, 'appendAll')

  it.each([['--lookup'], ['--draft', packagedModel]])('%s: the answer of greedy decoding, by nano', async (...options) => {
    const greedy = await result(ask('--json', capital))
    expect(answer(await result(ask('--json', ...options, capital)))).toEqual(answer(greedy))
    expect((await ask(...options, capital)).out).toBe(`${greedy.text}\n`)
  })

  it.each([['--lookup'], ['--draft', packagedModel]])('%s: a longer answer, in floats', async (...options) => {
    // A penalty below 1 makes the model repeat itself, so that there is something to look up.
    const repeating = ['--repetition-penalty', '0.5', 'the cat and the dog and the cat and the dog']
    const asked = ['--json', '--max-new-tokens', '24', ...repeating]
    const greedy = await result(chat(places.good, ...asked))
    expect(greedy.ids).toHaveLength(24)
    const ahead = passes()
    expect(answer(await result(chat(places.good, ...options, ...asked)))).toEqual(answer(greedy))
    expect(ahead.mock.calls.some(([ids]) => ids.length > 1)).toBe(true)
  })

  it('leaves log-probabilities and stop texts as they are', async () => {
    const asked = ['--json', '--max-new-tokens', '8', '--logprobs', '2', 'the cat and the dog']
    const greedy = await result(chat(places.good, ...asked))
    const guessed = await result(chat(places.good, '--draft', packagedModel, ...asked))
    const [wanted, got] = [greedy, guessed].map(({ logprobs = [] }) => logprobs.map(({ logprob }) => logprob))
    expect(got).toHaveLength(8)
    got?.forEach((logprob, i) => {
      expect(logprob).toBeCloseTo(wanted?.[i] as number, 4)
    })
    const stop = ['--stop', greedy.text.slice(-3)]
    const stopped = await result(chat(places.good, ...stop, ...asked))
    expect(answer(await result(chat(places.good, ...stop, '--lookup', ...asked)))).toEqual(answer(stopped))
    expect(stopped.text.length).toBeLessThan(greedy.text.length)
  })

  it('a draft whose context is too short for the prompt guesses nothing', async () => {
    const draft = join(places.root, 'short')
    cpSync(places.good, draft, { recursive: true })
    writeFileSync(join(draft, 'config.json'), JSON.stringify({ ...commandConfig, max_length: 8 }))
    const asked = ['--json', '--image', join(places.root, 'a.png'), capital]
    const greedy = await result(ask(...asked))
    const ahead = passes()
    expect(answer(await result(ask('--draft', draft, ...asked)))).toEqual(answer(greedy))
    expect(ahead).not.toHaveBeenCalled()
  })
})

describe('values that are refused', () => {
  const made: string[] = []
  afterAll(() => {
    for (const dir of made) rmSync(dir, { recursive: true })
  })

  /** A random model whose vocabulary has more ids than nano's, and its tokenizer as many as `pieces` more. */
  const draftWith = (ids: number, pieces: readonly string[]): string => {
    const dir = writeRandomModel({ ...commandConfig, vocab_size: commandConfig.vocab_size + ids })
    made.push(dir)
    if (pieces.length === 0) copyFileSync(tokenizerFile, join(dir, 'tokenizer.model'))
    else writeFileSync(join(dir, 'tokenizer.model'), Buffer.concat([readFileSync(tokenizerFile), ...pieces.map(piece)]))
    return dir
  }
  const missing = () => join(places.root, 'no-such-thing')

  it.each<[string, () => string[], RegExp]>([
    ['a stop text of nothing', () => ['--stop', ''], /--stop: got a string of 0 characters, expected 1 to 256/],
    ['a stop text too long', () => ['--stop', 'x'.repeat(257)], /--stop: got a string of 257 characters/],
    [
      '17 stop texts',
      () => [...'abcdefghijklmnopq'].flatMap((c) => ['--stop', c]),
      /--stop: got 17 strings, expected at most 16/,
    ],
    ['log-probabilities of abc', () => ['--json', '--logprobs', 'abc'], /--logprobs: expected a whole .* 0 to 20, got "abc"/],
    ['21 alternatives', () => ['--json', '--logprobs', '21'], /--logprobs: expected a whole .* 0 to 20, got "21"/],
    ['log-probabilities without --json', () => ['--logprobs', '3'], /--logprobs: they are printed with --json/],
    ['those of beams', () => ['--json', '--logprobs', '3', '--beams', '2'], /--logprobs: a beam is chosen as a whole/],
    ['a draft that is missing', () => ['--draft', missing()], /no-such-thing: no such model directory; .* --draft/],
    ['a draft without config.json', () => ['--draft', join(packageRoot, 'src')], /no config\.json in it.* --draft/],
    ['a draft of nothing', () => ['--draft', ''], /--draft: expected a value, got an empty text/],
    ['a draft and samples', () => ['--draft', places.good, '--sample'], /--draft: only greedy decoding can guess ahead/],
    ['a draft and --lookup', () => ['--draft', places.good, '--lookup'], /--draft: only greedy decoding can guess ahead/],
    ['samples that look ahead', () => ['--lookup', '--seed', '3'], /--lookup: only greedy decoding can look ahead/],
  ])('%s: before anything is loaded', async (_, argv, message) => {
    const load = vi.spyOn(XComposer, 'load')
    const { code, out, err } = await ask(...argv(), capital)
    expect(load).not.toHaveBeenCalled()
    load.mockRestore()
    expect(err).toMatch(message)
    expect(err).toMatch(/^xcomposer: [^\n]+\n$/)
    expect([code, out]).toEqual([2, ''])
  })

  it.each([
    ['tokenizer', 1, ['zzzzzz'], 'tokenizer is another (6001 and 6000 pieces)'],
    // Its guesses may be ids that the other has not got.
    ['vocabulary', 3000, [], 'vocab_size is another (9000 and 6000 ids)'],
  ])('a draft with another %s', async (_, ids, pieces, message) => {
    const { code, out, err } = await ask('--draft', draftWith(ids, pieces), capital)
    expect(err).toMatch(/^xcomposer: --draft: xcomposer-model-\w+ cannot guess for nano, whose [^\n]+\n$/)
    expect(err).toContain(message)
    expect([code, out]).toEqual([2, ''])
  })
})

/** One more piece at the end of a SentencePiece file: field 1, a message whose field 1 is the text. */
function piece(text: string): Buffer {
  const spelled = Buffer.from(text, 'utf8')
  return Buffer.concat([Buffer.from([0x0a, spelled.length + 2, 0x0a, spelled.length]), spelled])
}
