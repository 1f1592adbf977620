import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RewindableSequence } from '../src/inference/sequence.js'
import { acceptance, rateOf, timedRun } from './lookup-runs.js'
import { changed, dictated } from './quotation.js'
import { costTable } from './step-cost.js'

describe('accepted guesses', () => {
  it('count as far as they are what the answer says', () => {
    const ids = [5, 6, 7, 8, 9]
    const steps = [
      { at: 1, draft: [6, 7, 1, 9] },
      { at: 3, draft: [8, 9, 4] },
      { at: 4, draft: [] },
    ]
    expect(acceptance([{ ids, steps }])).toEqual({ proposed: 7, accepted: 4, share: 0.5714, passes: 3 })
  })

  it('add up over answers', () => {
    const run = { ids: [1, 2], steps: [{ at: 1, draft: [2, 3] }] }
    expect(acceptance([run, run])).toEqual({ proposed: 4, accepted: 2, share: 0.5, passes: 2 })
    expect(acceptance([])).toEqual({ proposed: 0, accepted: 0, share: 0, passes: 0 })
  })
})

describe('a document that quotes to a degree', () => {
  it('differs from the answer exactly at every n-th id, by ids of the vocabulary', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(99)), fc.nat(8), (ids, every) => {
        const document = changed(ids, every, 100)
        expect(document.map((id, i) => id !== ids[i])).toEqual(ids.map((_, i) => every > 0 && (i + 1) % every === 0))
        expect(document.every((id) => id >= 0 && id < 100)).toBe(true)
      }),
    )
  })
})

/** A model that always thinks id 0 likeliest. */
function stubborn(length: number): RewindableSequence {
  const state = { length }
  const logits = () => Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0)
  return {
    get length() {
      return state.length
    },
    async append(ids) {
      state.length += ids.length
      return logits()
    },
    async appendAll(ids) {
      state.length += ids.length
      return ids.map(logits)
    },
    rewind(to) {
      state.length = to
    },
    dispose() {},
  }
}

describe('a dictated answer', () => {
  it.each([undefined, [], [1, 2, 3, 4, 5, 6, 7]])('is what is decoded, guessing from %j', async (lookIn) => {
    const answer = [3, 4, 5, 6, 7, 1, 2, 3]
    const prompt = dictated({ ids: [9], logits: Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0), sequence: stubborn(1) }, answer)
    const run = await timedRun(prompt, lookIn, { maxNewTokens: answer.length })
    expect(run.ids).toEqual(answer)
    expect(prompt.sequence.length).toBe(1)
    if (lookIn) expect(run.steps.map(({ at }) => at)[0]).toBe(1)
    // Guessing from the document saves passes: 3 4 | 5 6 7 | 1 2 3.
    if (lookIn?.length) expect(run.steps.length).toBeLessThan(answer.length - 1)
  })
})

it('speed counts the tokens behind the first of each answer', () => {
  const run = { ids: [1, 2, 3], seconds: 0.5, steps: [] }
  expect(rateOf([run, { ...run, ids: [1], seconds: 0 }])).toBe(4)
})

it('passes are compared with the pass over one position', () => {
  const table = costTable([
    { positions: 1, ms: 10 },
    { positions: 4, ms: 16 },
  ])
  expect(table).toEqual([
    { positions: 1, ms: 10, cost: 1, most: 1 },
    { positions: 4, ms: 16, cost: 1.6, most: 2.5 },
  ])
})
