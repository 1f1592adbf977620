import { expect, it } from 'vitest'
import { percentile } from './batching.js'

it('a percentile is the value that a share of the others does not exceed', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i)
  expect([0, 0.5, 0.99, 1].map((share) => percentile(values, share))).toEqual([1, 50, 99, 100])
  expect(percentile([7], 0.5)).toBe(7)
  expect(() => percentile([], 0.5)).toThrow('nothing was measured')
})
