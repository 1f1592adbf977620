import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { call, commandConfig, commandModel } from '../../tests/support/command-line.js'
import { XComposerError } from '../common/errors.js'
import { parseModelConfig } from '../model/config.js'
import { fakeIo } from './fake-io.js'
import { announceMemory, memoryPlan } from './memory-plan.js'

const plan = { weights: 3 * 2 ** 30, kv: 2 ** 29, vision: 2 ** 28, available: 4 * 2 ** 30, batch: 1 }

it('says what a large model needs, and nothing of a small one', () => {
  const io = fakeIo()
  announceMemory('m', plan, io)
  expect(io.written.err).toBe('memory: 3.75 GiB: weights 3.00, KV cache 0.50, vision 0.25; 4.00 GiB are free\n')
  announceMemory('m', { ...plan, weights: 1000, kv: 0, vision: 0 }, io)
  expect(io.written.err.split('\n')).toHaveLength(2)
})

it('refuses with the figures what does not fit', () => {
  const tight = () => announceMemory('m', { ...plan, available: 3.7 * 2 ** 30 }, fakeIo())
  expect(tight).toThrow(XComposerError)
  expect(tight).toThrow(/^m: needs 3.75 GiB: weights 3.00, KV cache 0.50, vision 0.25, but only 3.70 GiB are free; quantize it/)
})

describe('a batch', () => {
  const places = commandModel()
  afterEach(() => void vi.restoreAllMocks())
  const planned = (batch: number, more: object = {}) =>
    memoryPlan({ config: parseModelConfig({ ...commandConfig, ...more }, 'config.json') }, batch, 2 ** 30)
  /** Keys and values of 200 positions in 2 layers, 2 heads of 16 float32 each. */
  const sequence = 2 * 200 * 2 * 2 * 16 * 4

  it('needs the keys and values of every row, and of what is kept beside them', () => {
    expect([1, 2, 8].map((batch) => planned(batch).kv)).toEqual([sequence, 3 * sequence, 9 * sequence])
    expect(planned(8, { max_length: 400 }).kv).toBe(2 * 9 * sequence)
    const { kv: _, batch: __, ...rest } = planned(8)
    expect(planned(1)).toMatchObject(rest)
  })

  it('is none where lengths have rotary tables of their own', () => {
    const stretched = { max_position_embeddings: 100, rope_scaling: { type: 'dynamic', factor: 2 } }
    expect(planned(8, stretched)).toEqual(planned(1, stretched))
    expect(planned(8, { ...stretched, max_position_embeddings: 200 }).kv).toBe(9 * sequence)
  })

  it('is named in the figures and in what to do', () => {
    const io = fakeIo()
    const large = { ...plan, kv: 9 * 2 ** 28, batch: 8 }
    announceMemory('m', { ...large, available: 6 * 2 ** 30 }, io)
    const figures = '5.50 GiB: weights 3.00, KV cache 2.25 (batch of 8), vision 0.25'
    expect(io.written.err).toBe(`memory: ${figures}; 6.00 GiB are free\n`)
    expect(() => announceMemory('m', large, io)).toThrow(
      `m: needs ${figures}, but only 4.00 GiB are free; make the batch smaller, quantize it, or use a machine with more memory`,
    )
  })

  it('of eval is refused where it does not fit, and has no more rows than questions', async () => {
    const file = join(places.root, 'questions.jsonl')
    const question = { task: 'any', images: [], question: 'What is this?', answers: ['a dot'], scorer: 'exact' }
    writeFileSync(file, ['1', '2', '3'].map((id) => JSON.stringify({ id, ...question })).join('\n'))
    const { weights, vision } = planned(1)
    const free = vi.spyOn(process, 'availableMemory')
    const evaluated = (available: number, ...more: string[]) => {
      free.mockReturnValue(available)
      return call('eval', file, '--model', places.good, '--threads', '1', '--max-new-tokens', '2', ...more)
    }
    const four = weights + vision + 4 * sequence
    expect((await evaluated(four, '--batch', '256')).code).toBe(0)
    const { code, out, err } = await evaluated(four - 1, '--batch', '256')
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(/^xcomposer: [^\n]*KV cache 0\.00 \(batch of 3\)[^\n]*; make the batch smaller, [^\n]+\n$/)
    for (const fits of [['--batch', '256', '--limit', '2'], ['--batch', '2'], []]) {
      expect((await evaluated(four - 1, ...fits)).code).toBe(0)
    }
  })
})
