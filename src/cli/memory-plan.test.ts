import { expect, it } from 'vitest'
import { XComposerError } from '../errors.js'
import { fakeIo } from './fake-io.js'
import { announceMemory } from './memory-plan.js'

const plan = { weights: 3 * 2 ** 30, kv: 2 ** 29, vision: 2 ** 28, available: 4 * 2 ** 30 }

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
  expect(tight).toThrow(/^m: needs 3.75 GiB: weights 3.00, KV cache 0.50, vision 0.25, but only 3.70 GiB are free/)
})
