/** Random weights in a small shape through the same functions that `init` calls, and what the command says to wrong options. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { smallConfig } from '../../tests/support/random-model.js'
import { parseModelConfig } from '../model/config.js'
import { openModel, readParameter } from '../model/open-checkpoint.js'
import { presets } from '../model/presets.js'
import { writeQuantized } from '../quantize/quantize-model.js'
import { randomWeights } from '../quantize/random-weights.js'
import { fakeIo } from './fake-io.js'
import { main } from './main.js'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'init-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

describe('random weights', () => {
  it('open as a model, the same for the same seed, and do not depend on how they are cut', async () => {
    const [a, b, other] = [1, 1, 2].map((seed) => randomWeights(smallConfig, 'small', seed))
    const spec = a?.specs.find(({ name }) => name === 'model.layers.0.feed_forward.w1.weight')
    if (!a || !b || !other || !spec) throw new Error('no such tensor')
    const [rows, width] = spec.shape as [number, number]
    const whole = a.rows(spec, 0, rows)
    expect([...b.rows(spec, 0, rows)]).toEqual([...whole])
    expect([...a.rows(spec, 5, 2)]).toEqual([...whole.subarray(5 * width, 7 * width)])
    expect([...other.rows(spec, 0, rows)]).not.toEqual([...whole])
    await writeQuantized(a, join(dir, 'q4'), { bits: 4, blockSize: 32 })
    const model = openModel(join(dir, 'q4'))
    expect(model.formats.get('output.weight')).toEqual({ bits: 4, blockSize: 32 })
    expect(Math.max(...readParameter(model, 'model.norm.weight'))).toBe(1)
  })
})

describe('presets', () => {
  it.each([
    ['internlm-xcomposer2-vl-7b', 1225, false],
    ['internlm-xcomposer2-7b', 256, false],
    ['internlm-xcomposer2-vl-1_8b', 1225, false],
    ['internlm-xcomposer2-4khd-7b', 576, true],
  ] as const)('%s', (name, patches, tiled) => {
    const { vision, decoder } = parseModelConfig(presets[name], name)
    expect([vision?.patches, vision?.tiled]).toEqual([patches, tiled])
    expect(decoder.adapter).toMatchObject({ type: 'plora', wqkv: tiled ? { rank: 8, scale: 2 } : { rank: 256, scale: 1 } })
    expect(decoder.headDim).toBe(128)
  })
})

describe('the command', () => {
  it.each([
    [['--preset', 'llama', '--random', '--out', 'x'], /--preset: expected internlm-xcomposer2-vl-7b or /],
    [['--preset', 'internlm-xcomposer2-7b', '--random'], /--out: expected a directory/],
    [['--preset', 'internlm-xcomposer2-7b', '--out', 'x'], /--random: expected this option/],
    [['--preset', 'internlm-xcomposer2-7b', '--random', '--out', 'x', '--tokenizer', 'none'], /none: /],
    [
      ['--preset', 'internlm-xcomposer2-7b', '--random', '--out', 'x', '--block', '64'],
      /--block 64: goes with --bits 4 or --bits 8/,
    ],
    [
      ['--preset', 'internlm-xcomposer2-7b', '--random', '--out', 'x', '--bits', '4', '--block', '48'],
      /--block: expected 16 or 32 or /,
    ],
  ])('%j', async (argv, message) => {
    const io = fakeIo()
    expect(await main(['init', ...argv], io)).toBe(2)
    expect(io.written.err).toMatch(message)
    expect(io.written.err.trim().split('\n')).toHaveLength(1)
  })
})

it('the readable card names the parts', async () => {
  await writeQuantized(randomWeights(smallConfig, 'small', 1), join(dir, 'q8'), { bits: 8, blockSize: 32 })
  expect(readFileSync(join(dir, 'q8', 'README.md'), 'utf8')).toMatch(/\| decoder \| \d+ \| 8 \| 32 \| 9\.\d+ \| 0\.\d+ % \|/)
})
