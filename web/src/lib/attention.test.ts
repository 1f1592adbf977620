import { describe, expect, it } from 'vitest'
import { brightness, meanOf, summaryOf } from './attention'

describe('attention over image tokens', () => {
  it('is averaged place by place', () => {
    expect(
      meanOf([
        [0, 0.2],
        [0.4, 0],
      ]),
    ).toEqual([0.2, 0.1])
    expect(meanOf([])).toEqual([])
  })

  it('is summed up by its share and its most attended place', () => {
    const { share, at, part } = summaryOf([0.1, 0.3, 0])
    expect(share).toBeCloseTo(0.4)
    expect(at).toBe(1)
    expect(part).toBeCloseTo(0.75)
    expect(summaryOf([0, 0])).toEqual({ share: 0, at: 0, part: 0 })
  })

  it('is shown from dark to bright, the most attended place being brightest', () => {
    expect(brightness([0, 0.04, 0.16])).toEqual([0, 0.5, 1])
    expect(brightness([0, 0])).toEqual([0, 0])
  })
})
