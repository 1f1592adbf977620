import { describe, expect, it } from 'vitest'
import { brightness, meanOf, mostAttended } from './attention'

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

  it('has a most attended place', () => {
    const { at, part } = mostAttended([0.1, 0.3, 0])
    expect(at).toBe(1)
    expect(part).toBeCloseTo(0.75)
    expect(mostAttended([0, 0])).toEqual({ at: 0, part: 0 })
  })

  it('is shown from dark to bright, the most attended place being brightest', () => {
    expect(brightness([0, 0.04, 0.16])).toEqual([0, 0.5, 1])
    expect(brightness([0, 0])).toEqual([0, 0])
  })
})
