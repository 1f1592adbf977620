/** The tokenizer against the goldens, against itself (stream, seams), and against damaged and hostile files and text. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { goldenFolders } from '../../tests/support/golden-folders.js'
import { InputError } from '../common/errors.js'
import { check } from '../verify/tokenizer.js'
import { cleanUp } from './decode.js'
import { Tokenizer } from './tokenizer.js'

const golden = join(import.meta.dirname, '../../tests/data/goldens/tokenizer')
const file = join(golden, 'tokenizer.model')
const tokenizer = Tokenizer.load(file)

describe('goldens', () => {
  it.each(goldenFolders('tokenizer'))('encodes and decodes as the reference in %s', async (dir) => {
    const failed = []
    for await (const result of check.run(dir)) if (!result.passed) failed.push(`${result.name}: ${result.detail}`)
    expect(failed).toEqual([])
  })
})

describe('user text', () => {
  const controls = ['[UNUSED_TOKEN_146]', '[UNUSED_TOKEN_145]', '[UNUSED_TOKEN_0]', '<s>', '</s>', '<unk>', '<0x0A>']
  it.each(controls)('%s stays plain text', (text) => {
    const ids = tokenizer.encode(`a ${text}b`)
    expect(ids.every((id) => id > 2 && (id < 92397 || id > 92543))).toBe(true)
    expect(tokenizer.decode(ids)).toBe(`a ${text}b`)
  })

  it('never yields a control id, whatever surrounds the control text', () => {
    const part = fc.oneof(
      fc.constantFrom(...controls, '[UNUSED', '_TOKEN_', '146]', '<', '/s>', '——', '…'),
      fc.string({ unit: 'binary' }),
    )
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const text = parts.join('')
        const ids = tokenizer.encode(text)
        expect(ids.every((id) => id > 2 && id !== tokenizer.beginOfTurnId && id !== tokenizer.endOfTurnId)).toBe(true)
        expect(tokenizer.decode(ids, { cleanUp: false })).toBe(
          text.replaceAll('\u2581', ' ').replace(/\p{Surrogate}/gu, '\ufffd'),
        )
      }),
    )
  })

  it('merges across the seams of runs as if they were one string', () => {
    const { bosId, endOfTurnId } = tokenizer
    const whole = tokenizer.encode('user\n\nHello there')
    expect(tokenizer.encodeRuns(['user\n', '\nHel', 'lo there', endOfTurnId, bosId])).toEqual([...whole, endOfTurnId, bosId])
  })
})

describe('stream', () => {
  it('concatenates to decode for any ids', () => {
    const id = fc.oneof(
      fc.nat(92543),
      fc.integer({ min: 0, max: 258 }),
      fc.constantFrom(262, 281, 345, 346, 328, 387, ...tokenizer.encode(" ' n't 's")),
    )
    fc.assert(
      fc.property(fc.array(id, { maxLength: 60 }), (ids) => {
        const stream = tokenizer.stream()
        expect(ids.map((i) => stream.push(i)).join('') + stream.end()).toBe(tokenizer.decode(ids))
      }),
    )
  })

  it('cleans up as the whole-string rules do, in text made of their parts', () => {
    const part = fc.constantFrom(' ', "'", 'n', 't', '.', '?', '!', ',', 's', 'm', 've', 're', "n't", 'x')
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
        const ids = parts.flatMap((p) => tokenizer.encode(p))
        const stream = tokenizer.stream()
        expect(ids.map((i) => stream.push(i)).join('') + stream.end()).toBe(cleanUp(parts.join('')))
      }),
    )
  })

  it('holds back only what may still change', () => {
    const stream = tokenizer.stream()
    expect(stream.push(9843)).toBe('Hello')
    expect([231, 192, 163].map((id) => stream.push(id))).toEqual(['', '', '你'])
    expect(stream.push(262)).toBe('')
    expect(stream.push(264)).toBe(' a')
  })
})

describe('hostile files and ids', () => {
  const bytes = readFileSync(file)
  it('refuses the file cut at any of 200 bytes', () => {
    for (let i = 0; i < 200; i++) {
      const cut = bytes.subarray(
        0,
        i < 20 ? bytes.length - 1 - i * 3 : Math.floor((bytes.length * i * 7919) / 200) % bytes.length,
      )
      expect(() => Tokenizer.fromBytes(cut), `cut at ${cut.length}`).toThrow(InputError)
    }
  })

  /** The first 300 pieces with the turn markers: a whole model of a few kilobytes. */
  const small = (() => {
    const records: Buffer[] = []
    for (let at = 0; at < bytes.length - 96; at += 2 + (bytes[at + 1] ?? 0))
      records.push(bytes.subarray(at, at + 2 + (bytes[at + 1] ?? 0)))
    return Buffer.concat([...records.slice(0, 300), ...records.slice(-2), bytes.subarray(bytes.length - 96)])
  })()

  it('refuses a small model cut at any byte', () => {
    expect(Tokenizer.fromBytes(small).size).toBe(302)
    const taken: string[] = []
    for (let length = 0; length < small.length; length++) {
      const error = thrown(() => Tokenizer.fromBytes(small.subarray(0, length), 'cut.model'))
      if (!(error instanceof InputError && /^cut\.model: [^\n]+$/.test(error.message))) taken.push(`${length}: ${error}`)
    }
    expect(taken).toEqual([])
  })

  it('answers random damage with a tokenizer or an InputError', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(small.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }), (edits) => {
        const damaged = Buffer.from(small)
        for (const [at, value] of edits) damaged[at] = value
        expect(thrown(() => Tokenizer.fromBytes(damaged))).toSatisfy((e) => e === undefined || e instanceof InputError)
      }),
    )
  })

  it('refuses a piece list with duplicates', () => {
    const piece = Buffer.from([0x0a, 5, 0x0a, 1, 0x61, 0x18, 1])
    const tail = bytes.subarray(bytes.length - 96)
    expect(() => Tokenizer.fromBytes(Buffer.concat([piece, piece, tail]))).toThrow(/piece 1 repeats piece 0/)
  })

  it.each([-1, 92544, 1.5, Number.NaN])('refuses id %s', (id) => {
    expect(() => tokenizer.decode([id])).toThrow(InputError)
    expect(() => tokenizer.pieceOf(id)).toThrow(InputError)
    expect(() => tokenizer.stream().push(id)).toThrow(InputError)
  })

  it('names a missing file', () => {
    expect(() => Tokenizer.load('no-such.model')).toThrow(/no-such\.model: cannot be read/)
  })
})

it('encodes 100 KB of mixed text and of one letter and gives them back', () => {
  const text = '中文 and English, mixed 123\n'.repeat(4000)
  const ids = tokenizer.encode(text)
  const repeated = tokenizer.encode('a'.repeat(100_000))
  expect(tokenizer.decode(ids, { cleanUp: false })).toBe(text)
  expect(tokenizer.decode(repeated)).toHaveLength(100_000)
})

const trainer = '/usr/bin/spm_train'
describe.skipIf(!existsSync(trainer))('a model trained with spm_train', () => {
  it('agrees with spm_encode', () => {
    const dir = mkdtempSync(join(tmpdir(), 'tokenizer-'))
    try {
      const words = ['the red circle', '一只猫', 'two blue squares', 'left of', '窗台上', 'what is it?', '  three ']
      const lines = Array.from({ length: 400 }, (_, i) =>
        [0, 1, 2].map((k) => words[(i * 7 + k * (i + 3)) % words.length]).join(i % 3 ? ' ' : '，'),
      )
      writeFileSync(join(dir, 'text.txt'), lines.join('\n'))
      const args = `--input=${dir}/text.txt --model_prefix=${dir}/nano --vocab_size=420 --model_type=bpe --byte_fallback --add_dummy_prefix=false --normalization_rule_name=identity --remove_extra_whitespaces=false --user_defined_symbols=[UNUSED_TOKEN_145],[UNUSED_TOKEN_146] --hard_vocab_limit=false --character_coverage=1`
      execFileSync(trainer, args.split(' '), { stdio: 'ignore' })
      const nano = Tokenizer.load(join(dir, 'nano.model'))
      writeFileSync(join(dir, 'test.txt'), `${[...lines.slice(0, 50), 'unseen 狗 é😀', '  a  b '].join('\n')}\n`)
      const out = execFileSync(
        '/usr/bin/spm_encode',
        [`--model=${dir}/nano.model`, '--output_format=id', `--input=${dir}/test.txt`],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
      )
      const expected = out
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ').map(Number))
      const got = readFileSync(join(dir, 'test.txt'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => nano.encode(line))
      got[got.length - 1] = nano.encode('  a  b ')
      expect(got).toEqual(expected)
      expect(nano.pieceOf(nano.endOfTurnId)).toBe('[UNUSED_TOKEN_145]')
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})

function thrown(call: () => unknown): unknown {
  try {
    call()
    return undefined
  } catch (error) {
    return error
  }
}
