import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { interleave, median, percentile, spread, summarise } from './samples.js'

const rates = fc.array(fc.double({ min: 1, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 })

describe('samples', () => {
  it.each([
    [[3], 3],
    [[1, 9], 5],
    [[9, 1, 2], 2],
  ])('takes the median of %j', (values, wanted) => expect(median(values)).toBe(wanted))

  it('puts half of the values on each side of the median, whatever their order', () => {
    fc.assert(
      fc.property(rates, (values) => {
        const m = median(values)
        expect(values.filter((v) => v < m).length).toBeLessThanOrEqual(values.length / 2)
        expect(values.filter((v) => v > m).length).toBeLessThanOrEqual(values.length / 2)
        expect(median([...values].reverse())).toBe(m)
        expect(spread(values)).toBeGreaterThanOrEqual(0)
      }),
    )
  })

  it('finds the value that a share of all does not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect([0, 0.5, 0.99, 1].map((q) => percentile(hundred, q))).toEqual([1, 50, 99, 100])
    expect(percentile([7], 0.99)).toBe(7)
    expect(() => percentile([], 0.5)).toThrow('has no values')
  })

  it('refuses to report no runs', () => expect(() => summarise('x', [], [])).toThrow('has no runs'))

  it('reports the ratio to the peer, and null without one', () => {
    expect(summarise('train', [90, 110, 100], [50, 40, 60])).toEqual({
      name: 'train',
      ours: 100,
      peer: 50,
      ratio: 2,
      runs: 3,
      spread: 0.2,
    })
    expect(summarise('train', [100], [])).toEqual({ name: 'train', ours: 100, peer: null, ratio: null, runs: 1, spread: 0 })
  })

  it('reports times so that more than 1 is still better', () => {
    expect(summarise('image', [2, 4, 3], [9, 9], 'less')).toMatchObject({ ours: 3, peer: 9, ratio: 3 })
  })

  it('interleaves the two sides', async () => {
    const order: string[] = []
    const side = (name: string) => async () => order.push(name)
    await interleave(2, side('a'), side('b'))
    expect(order).toEqual(['a', 'b', 'a', 'b'])
    expect((await interleave(2, side('a'), undefined)).b).toEqual([])
  })
})
