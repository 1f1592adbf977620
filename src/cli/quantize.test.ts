/** `quantize` through the command line: with and without a text to calibrate with. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { call, chat, commandModel } from '../../tests/support/command-line.js'

const places = commandModel()
const words = 'A harbour in the evening, with boats and lamps. '

/** The decoder's line of what quantising printed. */
const decoderLine = (out: string) => /^ {2}decoder .*$/m.exec(out)?.[0]

describe('quantize --calibrate', () => {
  it('rounds the decoder otherwise, says how far it is, and the model answers', async () => {
    const text = join(places.root, 'texts.txt')
    writeFileSync(text, words.repeat(100))
    const [plain, calibrated] = [join(places.root, 'plain'), join(places.root, 'calibrated')]
    const options = ['--bits', '4', '--block', '32']
    const before = await call('quantize', places.good, plain, ...options)
    const after = await call('quantize', places.good, calibrated, ...options, '--calibrate', text)
    expect([before.code, after.code]).toEqual([0, 0])
    for (const { err } of [before, after]) expect(err).toMatch(/^(\d+ % of \d+\.\d MB\n)*100 % of \d+\.\d MB\n$/)
    expect(decoderLine(after.out)).toMatch(/tensors, 5\.\d\d bits a weight, relative error 0\.\d{4}$/)
    expect(decoderLine(after.out)).not.toBe(decoderLine(before.out))
    const card = (dir: string) => readFileSync(join(dir, 'README.md'), 'utf8')
    expect(card(calibrated)).toContain('on a text')
    expect(card(plain)).not.toContain('on a text')
    expect((await chat(calibrated, 'Hello')).code).toBe(0)
  })

  it.each([
    [
      'a text that is too short',
      words,
      /^xcomposer: --calibrate .*short\.txt: the text .* has \d+ tokens, expected at least 1020/,
    ],
    ['an empty text', '', /^xcomposer: --calibrate .*short\.txt: the text to calibrate with has 0 tokens/],
    ['no such file', undefined, /^xcomposer: .*short\.txt: /],
  ])('%s is one line, and nothing is written', async (name, text, message) => {
    const dir = join(places.root, name)
    const file = `${dir}-short.txt`
    if (text !== undefined) writeFileSync(file, text)
    const { code, out, err } = await call('quantize', places.good, join(dir, 'out'), '--bits', '4', '--calibrate', file)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(message)
    expect(err.trim().split('\n')).toHaveLength(1)
    expect(existsSync(dir)).toBe(false)
  })
})
