import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { goldenFolders } from '../../tests/support/golden-folders.js'
import { scheduleFactor, warmupSteps } from './schedule.js'

describe('the learning-rate schedule', () => {
  it.each(goldenFolders('train'))('gives the golden rates of %s', (dir) => {
    const { lr, warmup, total, base_lr: base } = JSON.parse(readFileSync(join(dir, 'schedule.json'), 'utf8'))
    for (const [step, want] of Object.entries(lr)) {
      expect(base * scheduleFactor(Number(step), warmup, total)).toBeCloseTo(want as number, 12)
    }
  })

  it.each([
    // The corners of a run of 1000 steps with 10 of warm-up, from the formula in exact arithmetic: cos(0), cos(pi / 2), cos(pi).
    [0, 0],
    [5, 0.5],
    [10, 1],
    [505, 0.5],
    [1000, 0],
    [5000, 0],
  ])('at step %d of 1000 is %d', (step, want) => expect(scheduleFactor(step, 10, 1000)).toBeCloseTo(want, 12))

  it('starts at the full rate without warm-up, and warm-up is rounded up', () => {
    expect(scheduleFactor(0, 0, 10)).toBe(1)
    expect(warmupSteps(0.01, 1)).toBe(1)
    expect(warmupSteps(0.01, 250)).toBe(3)
    expect(warmupSteps(0, 250)).toBe(0)
  })
})
