import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InputError, XComposerError } from '../common/errors.js'
import { argmax, checkSampling, distribution, logSoftmax, penalizeRepetition } from './processors.js'
import { createRandom, draw } from './sample.js'

const logitsOf = (values: number[]) => Float32Array.from(values)
const anyLogits = fc
  .array(fc.integer({ min: -40, max: 40 }), { minLength: 1, maxLength: 40 })
  .map((values) => logitsOf(values.map((v) => v / 4)))

describe('the distribution', () => {
  it('keeps the smallest most probable set that reaches top_p, and at least one id', () => {
    fc.assert(
      fc.property(anyLogits, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (logits, topP) => {
        const all = [...distribution(logits, {}).probs]
        const { probs } = distribution(logits, { topP })
        const mass = (n: number) => all.slice(0, n).reduce((a, b) => a + b, 0)
        expect(mass(probs.length)).toBeGreaterThanOrEqual(topP - 1e-12)
        expect(mass(probs.length - 1)).toBeLessThan(topP + 1e-12)
        expect(probs.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12)
      }),
    )
  })

  it('keeps the k largest and every tie with the k-th', () => {
    fc.assert(
      fc.property(anyLogits, fc.integer({ min: 1, max: 50 }), (logits, topK) => {
        const sorted = [...logits].sort((a, b) => b - a)
        const threshold = sorted[Math.min(topK, sorted.length) - 1] as number
        const want = [...logits.keys()].filter((id) => (logits[id] as number) >= threshold)
        expect([...distribution(logits, { topK }).ids].sort((a, b) => a - b)).toEqual(want)
      }),
    )
  })

  it('cuts by top_k the same whichever way the k-th is found', () => {
    const logits = Float32Array.from({ length: 3000 }, (_, i) => Math.sin(i * i))
    expect(distribution(logits, { topK: 1001 }).ids.length).toBe(1001)
    expect(distribution(logits, { topK: 1000 }).ids).toEqual(distribution(logits, { topK: 1001 }).ids.slice(0, 1000))
  })

  it('sharpens with a low temperature and keeps masked ids at zero', () => {
    const logits = logitsOf([1, 2, Number.NEGATIVE_INFINITY])
    const { ids, probs } = distribution(logits, { temperature: 0.5 })
    expect(ids).toEqual([1, 0, 2])
    expect(probs[1]).toBeCloseTo(1 / (1 + Math.exp(2)), 12)
    expect(probs[2]).toBe(0)
    expect(logSoftmax(logits)[0]).toBeCloseTo(-Math.log(1 + Math.E), 12)
  })

  it('refuses broken logits and settings out of range', () => {
    expect(() => argmax(logitsOf([1, Number.NaN]))).toThrow(XComposerError)
    expect(() => argmax(logitsOf([Number.NEGATIVE_INFINITY]))).toThrow(/at least one finite/)
    const bad = [
      { temperature: 0 },
      { temperature: Number.NaN },
      { temperature: -1 },
      { topK: -1 },
      { topK: 1.5 },
      { topP: 0 },
      { topP: 1.1 },
    ]
    for (const settings of bad) expect(() => checkSampling(settings)).toThrow(InputError)
  })
})

describe('the repetition penalty', () => {
  it('is applied once per id, away from it whatever the sign', () => {
    const scores = logitsOf([2, -2, 0, 4])
    penalizeRepetition(scores, [0, 1, 0, 1, 2, 99], 2)
    expect([...scores]).toEqual([1, -4, 0, 4])
    expect(() => penalizeRepetition(scores, [], 0)).toThrow(InputError)
  })
})

describe('random numbers', () => {
  it('repeat from a seed and from a saved state, and differ between seeds', () => {
    const [a, b, other] = [createRandom(8909), createRandom(8909), createRandom(8910)]
    const first = Array.from({ length: 5 }, () => a.next())
    expect(Array.from({ length: 5 }, () => b.next())).toEqual(first)
    expect(Array.from({ length: 5 }, () => other.next())).not.toEqual(first)
    expect(createRandom(a.state()).next()).toBe(b.next())
    expect(createRandom(2 ** 40).next()).not.toBe(createRandom(0).next())
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => createRandom(seed)).toThrow(InputError)
  })

  it('follow xoshiro128** as published', () => {
    // First words from the state 1, 2, 3, 4: rotl(2 * 5, 7) * 9 = 11520, then 0 (its state word is 0), then 5927040.
    const random = createRandom([1, 2, 3, 4])
    expect(random.next()).toBe((11520 >>> 5) / 2 ** 27)
    expect(random.next()).toBeGreaterThan(5927040 / 2 ** 32 - 1e-8)
  })

  it('are uniform, and draws follow the distribution (chi-square)', () => {
    const random = createRandom(1)
    const dist = distribution(logitsOf([0, 1, 2, -1]), {})
    const counts = new Map<number, number>()
    const n = 40_000
    for (let i = 0; i < n; i++) {
      const id = draw(dist, random)
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    const chi = dist.ids.reduce((sum, id, i) => {
      const expected = n * (dist.probs[i] as number)
      return sum + ((counts.get(id) ?? 0) - expected) ** 2 / expected
    }, 0)
    expect(chi).toBeLessThan(16.3)
  })
})
