import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { call } from '../../tests/support/command-line.js'
import { XComposerError } from '../common/errors.js'
import { fakeIo } from './fake-io.js'
import { commands, guarded } from './main.js'

let root = ''
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'cli-'))
})
afterAll(() => rmSync(root, { recursive: true }))

const oneLine = /^xcomposer: [^\n]+\n$/

describe('xcomposer', () => {
  it('without a command, or with --help, lists every command', async () => {
    for (const argv of [[], ['--help'], ['-h'], ['help']]) {
      const { code, out, err } = await call(...argv)
      expect([code, err]).toEqual([0, ''])
      for (const name of Object.keys(commands)) expect(out).toMatch(new RegExp(`^  ${name} `, 'm'))
    }
  })

  it('explains a command after the word help', async () => {
    expect(await call('help', 'chat')).toEqual(await call('chat', '--help'))
  })

  it.each([
    [['chta'], /unknown command "chta"; did you mean "chat"\?/],
    [['--model', 'x'], /a command comes first, got the option "--model"; expected chat, serve, compose/],
    [
      ['chat', '--modle', 'x', 'hi'],
      /^xcomposer: chat: unknown option --modle; did you mean --model\?; see xcomposer chat --help/,
    ],
    [['chat', '--tempreature=1', 'hi'], /unknown option --tempreature; did you mean --temperature\?/],
    [['chat', '--temperature', '-1', 'hi'], /^xcomposer: --temperature: expected a number from 0 to 10, got "-1"/],
    [['chat', '-x', 'hi'], /unknown option -x; see/],
    [['chat', '--hd-num', '4', '--max-tiles', '5', 'hi'], /--hd-num: is another name of --max-tiles, got 4 and 5/],
    [['chat', '--image', '-'], /--image -: standard input is the picture; write the question after the options/],
  ])('says what was meant by %j', async (argv, message) => {
    const { code, out, err } = await call(...argv)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(message)
    expect(err).toMatch(oneLine)
  })

  it('prints its version', async () => expect((await call('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/))

  it.each(['paint', 'constructor', '__proto__', 'a\nb'])('refuses the command %j in one line', async (name) => {
    const { code, out, err } = await call(name)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(oneLine)
    expect(err).toContain('unknown command')
  })
})

describe.each(Object.keys(commands))('xcomposer %s', (name) => {
  it('has help with usage and an example', async () => {
    const { code, out, err } = await call(name, '--help')
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(new RegExp(`^Usage: xcomposer ${name}`))
    expect(out).toMatch(new RegExp(`Example:\n  xcomposer ${name} `))
    expect(out.split('\n').every((line) => line.length <= 132)).toBe(true)
  })

  it('names every option in its help', async () => {
    const command = await commands[name]?.load()
    for (const option of Object.keys(command?.options ?? {})) expect(command?.help).toContain(`--${option}`)
    expect(command?.summary).toBe(commands[name]?.summary)
  })

  it('has every option that its help names', async () => {
    const command = await commands[name]?.load()
    const lines = (command?.help ?? '')
      .split('\n')
      .filter((line) => /^ +(-\w, )?--/.test(line) || line.startsWith(`  xcomposer ${name} `))
    const named = lines.flatMap((line) => [...line.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map(([, option]) => option))
    for (const option of named) expect(Object.keys(command?.options ?? {})).toContain(option)
  })

  it('refuses an unknown option in one line', async () => {
    const { code, out, err } = await call(name, '--nonsense')
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(oneLine)
    expect(err).toContain('--nonsense')
  })
})

describe('wrong usage', () => {
  const missing = () => join(root, 'no-such-thing')
  it.each<[string, () => string[], RegExp]>([
    ['a model directory that is missing', () => ['chat', '--model', missing(), 'x'], /no such model directory/],
    ['a model directory of nothing', () => ['inspect', '--model', root], /an empty folder, expected a model in it/],
    ['a model in quantize', () => ['quantize', 'org/name', root], /no such folder; .* xcomposer pull org\/name$/m],
    ['a picture that is missing', () => ['chat', '--image', missing(), 'x'], /--image: no file/],
    ['two questions', () => ['chat', 'what', 'is this'], /expected only one question/],
    ['no question at all', () => ['chat'], /question: expected a text/],
    ['a temperature that is no number', () => ['chat', '--temperature', 'NaN', 'x'], /--temperature: expected a number/],
    ['a top-p of nothing', () => ['chat', '--top-p', '0', 'x'], /--top-p/],
    ['a broken seed', () => ['chat', '--seed', '0x7', 'x'], /--seed: expected a whole number/],
    ['no tokens', () => ['chat', '--max-new-tokens', '0', 'x'], /--max-new-tokens: expected a whole number from 1/],
    ['beams that sample', () => ['chat', '--beams', '3', '--sample', 'x'], /--beams/],
    ['a thousand beams', () => ['chat', '--beams', '1000', 'x'], /--beams/],
    ['an unknown provider', () => ['chat', '--provider', 'tpu', 'x'], /--provider: expected cpu or cuda/],
    ['no library', () => ['compose', 'apples', '--out', join(root, 'a.html')], /--library is missing/],
    ['no page', () => ['compose', 'apples', '--library', root], /--out is missing/],
    [
      'a page in no folder',
      () => ['compose', 'apples', '--library', root, '--out', join(missing(), 'a.html')],
      /--out: no folder/,
    ],
    [
      'an unknown language',
      () => ['compose', 'a', '--library', root, '--json', '--language', 'fr'],
      /--language: expected en or zh/,
    ],
    ['no recipe', () => ['train'], /expected one recipe, got nothing/],
    ['a recipe that is missing', () => ['train', missing()], /no such recipe file/],
    ['questions that are missing', () => ['eval', missing()], /cannot be read \(ENOENT\), expected JSON records/],
    ['an unknown baseline', () => ['eval', missing(), '--baseline', 'luck'], /--baseline: expected text-only or majority/],
    [
      'beams in batches',
      () => ['eval', missing(), '--beams', '3', '--batch', '2'],
      /--batch: beams are already decoded together/,
    ],
    ['a folder that is missing', () => ['verify', missing()], /cannot be read \(ENOENT\)/],
    ['a folder with nothing to check', () => ['verify', root], /nothing to check/],
    ['a positional where none belongs', () => ['inspect', 'x'], /expected only options/],
  ])('%s ends with 2 and one line', async (_, argv, message) => {
    const { code, out, err } = await call(...argv())
    expect(err).toMatch(message)
    expect(err).toMatch(oneLine)
    expect([code, out]).toEqual([2, ''])
  })
})

describe('inspect', () => {
  const config = {
    vocab_size: 92544,
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    img_size: 490,
    vision_config: {},
  }
  it('shows the released size from a config.json alone', async () => {
    const file = join(root, 'config.json')
    writeFileSync(file, JSON.stringify(config))
    const { code, out } = await call('inspect', '--config', file)
    expect(code).toBe(0)
    expect(out).toMatch(/all +8\.6\d+ G/)
    const { parameters } = JSON.parse((await call('inspect', '--config', file, '--json')).out) as {
      parameters: { total: number }
    }
    expect(parameters.total / 8.67e9).toBeCloseTo(1, 2)
  })

  it('names file and field of a broken config.json', async () => {
    const dir = join(root, 'broken')
    mkdirSync(dir)
    const file = join(dir, 'config.json')
    writeFileSync(file, JSON.stringify({ ...config, hidden_size: '4096' }))
    const { code, err } = await call('inspect', '--config', file)
    expect(code).toBe(2)
    expect(err).toContain(file)
    expect(err).toContain('hidden_size')
  })
})

describe('errors', () => {
  it.each([
    [new XComposerError('the disk is full'), 1, 'xcomposer: the disk is full\n'],
    [new TypeError('x is\nnot y\u001b[2J'), 1, 'xcomposer: x is not y [2J\n'],
    [new Error(''), 1, 'xcomposer: failed without a message\n'],
  ])('%s ends with its code and one line', async (error, code, line) => {
    const io = fakeIo()
    expect(await guarded(io, () => Promise.reject(error))).toBe(code)
    expect(io.written.err).toBe(line)
  })

  it('after an interrupt is 130 and silent', async () => {
    const io = { ...fakeIo(), signal: AbortSignal.abort() }
    expect(await guarded(io, () => Promise.reject(new Error('aborted')))).toBe(130)
    expect(io.written.err).toBe('')
  })
})
