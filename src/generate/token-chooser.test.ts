/** Choices against their definition, on logits that a seed makes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { TokenChooser } from './token-chooser.js'

const logits = fc
  .array(fc.integer({ min: -30, max: 30 }), { minLength: 5, maxLength: 5 })
  .map((v) => Float32Array.from(v, (x) => x / 4))
const steps = fc.array(logits, { minLength: 1, maxLength: 8 })

describe('a token chooser', () => {
  it('takes the first of the largest penalised logits, each id penalised once it stands', () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(1, 1.5, 0.5), fc.array(fc.nat(4)), (all, penalty, contextIds) => {
        const chooser = new TokenChooser({ repetitionPenalty: penalty, contextIds })
        const standing = new Set(contextIds)
        for (const step of all) {
          const before = [...step]
          const scores = before.map((x, id) => Math.fround(standing.has(id) ? (x < 0 ? x * penalty : x / penalty) : x))
          const wanted = scores.indexOf(Math.max(...scores))
          expect(chooser.next(step)).toEqual({ id: wanted, stops: false })
          expect([...step]).toEqual(before)
          standing.add(wanted)
        }
      }),
    )
  })

  it('adds the bias before everything else: to what the penalty, the cuts and the ranks see', () => {
    const bias = fc.dictionary(fc.constantFrom('0', '2', '4', '9'), fc.integer({ min: -100, max: 100 }))
    fc.assert(
      fc.property(steps, bias, fc.constantFrom(1, 1.5), fc.nat(), (all, logitBias, repetitionPenalty, seed) => {
        const sampling = { seed, topK: 3, temperature: 0.7 }
        const [greedy, drawn] = [{ repetitionPenalty }, { repetitionPenalty, sampling }]
        const pairs = [greedy, drawn].map((o) => [new TokenChooser({ ...o, logitBias }), new TokenChooser(o)] as const)
        for (const step of all) {
          const before = [...step]
          const shifted = step.map((x, id) => x + (logitBias[id] ?? 0))
          for (const [biased, plain] of pairs) {
            expect(biased.rank(step, 5)).toEqual(plain.rank(shifted, 5))
            expect(biased.next(step)).toEqual(plain.next(shifted))
          }
          expect([...step]).toEqual(before)
        }
      }),
    )
  })

  it('draws the same ids from the same seed, and only ids that the cuts leave', () => {
    fc.assert(
      fc.property(steps, fc.nat(), fc.integer({ min: 1, max: 5 }), (all, seed, topK) => {
        const draw = () => {
          const chooser = new TokenChooser({ sampling: { seed, topK } })
          return all.map((step) => chooser.next(step).id)
        }
        const ids = draw()
        expect(draw()).toEqual(ids)
        for (const [i, id] of ids.entries()) {
          const step = all[i] as Float32Array
          expect([...step].filter((x) => x > (step[id] as number)).length).toBeLessThan(topK)
        }
      }),
    )
  })

  it('says which choices stop; a fork goes on with an id more and leaves the first as it was', () => {
    const step = Float32Array.of(0, 3, 2, 1, 0)
    const chooser = new TokenChooser({ stopIds: [1], repetitionPenalty: 4 })
    expect(chooser.next(step)).toEqual({ id: 1, stops: true })
    expect(chooser.isStop(1)).toBe(true)
    const fork = chooser.fork(1)
    expect(fork.next(step)).toEqual({ id: 2, stops: false })
    expect(fork.next(step)).toEqual({ id: 3, stops: false })
    expect(chooser.next(step)).toEqual({ id: 1, stops: true })
    expect(chooser.rank(step, 2).map(({ id }) => id)).toEqual([1, 2])
  })

  it('refuses settings out of range before the first choice', () => {
    for (const repetitionPenalty of [0, -1, Number.NaN]) expect(() => new TokenChooser({ repetitionPenalty })).toThrow(InputError)
    expect(() => new TokenChooser({ sampling: { seed: 1, topP: 2 } })).toThrow(/top_p: got 2/)
    expect(() => new TokenChooser({ logitBias: { 5: 101 } })).toThrow('logit_bias of id 5: got 101, expected a number from -100')
    expect(() => new TokenChooser({ logitBias: { [-1]: 1 } })).toThrow('logit_bias: got the id "-1"')
    expect(() => new TokenChooser({ sampling: { seed: -1 } })).toThrow(/seed: got -1/)
  })
})
