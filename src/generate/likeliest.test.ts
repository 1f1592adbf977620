/** The likeliest answers against all answers there are, scored from the definition. */
import { describe, expect, it } from 'vitest'
import { logProbs, randomModel } from '../../tests/support/random-logits.js'
import { InputError } from '../common/errors.js'
import type { Branches, BranchingSequence } from '../inference/sequence.js'
import { type Likeliest, type LikeliestOptions, likeliest } from './likeliest.js'

const prompt = [1, 0]
const find = (model: ReturnType<typeof randomModel>, options: LikeliestOptions): Promise<Likeliest> =>
  likeliest(model.logits(prompt), model.open(prompt), options)

/** Every complete answer of at most `maxNewTokens` ids with its end, likeliest first. */
function everything(
  model: ReturnType<typeof randomModel>,
  vocabulary: number,
  { stopIds, maxNewTokens, same = String }: LikeliestOptions,
): { key: string; probability: number }[] {
  const found = new Map<string, number>()
  const walk = (ids: readonly number[], sum: number): void => {
    const step = logProbs(model.logits([...prompt, ...ids]))
    const end = stopIds.reduce((all, id) => all + Math.exp(step[id] as number), 0)
    found.set(same(ids), (found.get(same(ids)) ?? 0) + Math.exp(sum) * end)
    if (ids.length + 1 === maxNewTokens) return
    for (let id = 0; id < vocabulary; id++) if (!stopIds.includes(id)) walk([...ids, id], sum + (step[id] as number))
  }
  walk([], 0)
  return [...found].map(([key, probability]) => ({ key, probability })).sort((a, b) => b.probability - a.probability)
}

describe('the likeliest answers', () => {
  it('are those that exhaustive search finds, with the probability of the whole, whichever id ends them', async () => {
    for (let seed = 0; seed < 12; seed++) {
      const model = randomModel(5, 400 + seed)
      const options = { count: 4, stopIds: [4, 2], maxNewTokens: 6 }
      const { answers } = await find(model, options)
      const want = everything(model, 5, options).slice(0, 4)
      expect(answers.map(({ ids }) => String(ids))).toEqual(want.map(({ key }) => key))
      for (const [i, { logprob }] of answers.entries()) expect(Math.exp(logprob)).toBeCloseTo(want[i]?.probability as number, 9)
      expect(model.count.open).toBe(1)
    }
  })

  it('are exact where nothing likelier was given up, and say so where the length or the width ran out', async () => {
    // From any context: the end with `end`, the rest shared by the others.
    const constant = async (end: number, others: number, maxNewTokens: number): Promise<Likeliest> => {
      const step = Float32Array.from([end, ...Array.from({ length: others }, () => (1 - end) / others)], Math.log)
      const branches: Branches = { step: async (parents) => parents.map(() => step), dispose: () => {} }
      const sequence: BranchingSequence = { length: 0, append: async () => step, branch: () => branches, dispose: () => {} }
      return likeliest(step, sequence, { count: 2, stopIds: [0], maxNewTokens })
    }
    const sure = await constant(0.6, 2, 9)
    expect(sure.exact).toBe(true)
    expect(sure.answers.map(({ logprob }) => Math.exp(logprob))).toEqual([expect.closeTo(0.6, 6), expect.closeTo(0.12, 6)])
    // One id of two goes on for ever: 0.9 of all is longer than one id.
    expect((await constant(0.1, 1, 1)).exact).toBe(false)
    // A hundred beginnings with 0.009 each, whose ends have 0.0009: 36 are not followed.
    expect((await constant(0.1, 100, 9)).exact).toBe(false)
  })

  it('count what is the same answer once, with its probabilities added up', async () => {
    for (let seed = 0; seed < 6; seed++) {
      const model = randomModel(4, 500 + seed)
      // Ids 0 and 1 are two spellings of one letter.
      const same = (ids: readonly number[]) => ids.map((id) => 'aab'[id]).join('')
      const options = { count: 3, stopIds: [3], maxNewTokens: 4, same }
      const { answers } = await find(model, options)
      const want = new Map(everything(model, 4, options).map(({ key, probability }) => [key, probability]))
      const keys = answers.map(({ ids }) => same(ids))
      expect(new Set(keys).size).toBe(3)
      for (const [i, { logprob }] of answers.entries()) {
        expect(Math.exp(logprob)).toBeLessThanOrEqual((want.get(keys[i] as string) as number) + 1e-9)
      }
      expect(keys[0]).toBe([...want.keys()][0])
    }
  })

  it('give the branches back, also when a pass fails, and refuse options out of range', async () => {
    const model = randomModel(9, 600)
    const sequence = model.open(prompt)
    const failing: BranchingSequence = {
      ...sequence,
      branch() {
        const inner = sequence.branch()
        return { step: () => Promise.reject(new Error('out of memory')), dispose: () => inner.dispose() }
      },
    }
    const options = { count: 3, stopIds: [8], maxNewTokens: 5 }
    await expect(likeliest(model.logits(prompt), failing, options)).rejects.toThrow('out of memory')
    expect(model.count.open).toBe(1)
    const signal = AbortSignal.abort(new Error('the reader left'))
    await expect(likeliest(model.logits(prompt), sequence, { ...options, signal })).rejects.toThrow('the reader left')
    for (const count of [0, 21, 1.5]) await expect(find(model, { ...options, count })).rejects.toThrow(InputError)
    await expect(find(model, { ...options, maxNewTokens: 0 })).rejects.toThrow(/max_new_tokens/)
  })
})
