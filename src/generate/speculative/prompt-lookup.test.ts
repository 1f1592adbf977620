import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RewindableSequence } from '../../inference/sequence.js'
import { type GenerateOptions, generate } from '../generate.js'
import { draftProposer } from './draft.js'
import { generateWithLookup, promptLookup } from './prompt-lookup.js'
import { generateSpeculatively } from './speculative.js'

describe('prompt lookup', () => {
  it('is what followed the latest place of the longest repeated run', () => {
    expect(promptLookup([1, 2, 3, 4, 9, 1, 2, 3], 2)).toEqual([4, 9])
    expect(promptLookup([5, 2, 3, 8, 7, 2, 3, 6, 2, 3])).toEqual([6, 2, 3])
    expect(promptLookup([1, 2, 3, 4])).toEqual([])
    expect(promptLookup([])).toEqual([])
  })
  it('never reaches over an image', () => {
    expect(promptLookup([1, 2, 7, -1, 8, 1, 2])).toEqual([7])
    expect(promptLookup([1, 2, -1, 8, 1, 2])).toEqual([])
  })
})

/** A model whose next id depends on the last ids and repeats itself often; it counts steps, and knows what it was fed. */
function loopingModel(vocabulary: number, period: number) {
  const state = { ids: [] as number[], steps: 0 }
  const logits = (ids: readonly number[]): Float32Array => {
    const last = ids.slice(-2).reduce((sum, id, i) => sum + (id + 1) * (i + 3), ids.length % period)
    return Float32Array.from({ length: vocabulary }, (_, id) => -Math.abs(id - (last % vocabulary)) - id / 1000)
  }
  const sequence: RewindableSequence = {
    get length() {
      return state.ids.length
    },
    async append(ids) {
      state.steps++
      state.ids.push(...ids)
      return logits(state.ids)
    },
    async appendAll(ids) {
      state.steps++
      return ids.map((id) => {
        state.ids.push(id)
        return logits(state.ids)
      })
    },
    rewind(length) {
      state.ids.length = length
    },
    dispose() {},
  }
  return { state, sequence, logits }
}

async function collect(steps: ReturnType<typeof generate>) {
  const tokens: unknown[] = []
  for (;;) {
    const step = await steps.next()
    if (step.done) return { tokens, end: step.value }
    tokens.push(step.value)
  }
}

describe('speculative decoding', () => {
  it('gives the tokens, the end and the sequence of plain greedy decoding', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          vocabulary: fc.integer({ min: 3, max: 12 }),
          period: fc.integer({ min: 1, max: 5 }),
          prompt: fc.array(fc.nat(11), { minLength: 1, maxLength: 20 }),
          maxNewTokens: fc.integer({ min: 1, max: 40 }),
          penalty: fc.constantFrom(1, 1.3),
          stop: fc.option(fc.nat(11), { nil: undefined }),
        }),
        async ({ vocabulary, period, prompt, maxNewTokens, penalty, stop }) => {
          const ids = prompt.map((id) => id % vocabulary)
          const options: GenerateOptions = {
            maxNewTokens,
            repetitionPenalty: penalty,
            contextIds: ids,
            stopIds: stop === undefined ? [] : [stop],
          }
          const [plain, ahead] = [loopingModel(vocabulary, period), loopingModel(vocabulary, period)]
          const first = async (m: typeof plain) => m.sequence.append(ids)
          const wanted = await collect(generate(await first(plain), plain.sequence, options))
          const got = await collect(generateWithLookup(await first(ahead), ahead.sequence, { ...options, promptIds: ids }))
          expect(got).toEqual(wanted)
          expect(ahead.state.ids).toEqual(plain.state.ids)
          expect(ahead.state.steps).toBeLessThanOrEqual(plain.state.steps)
        },
      ),
    )
  })

  it('gives the same with drafts of another model, right or wrong, which reads what was chosen', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          vocabulary: fc.integer({ min: 3, max: 12 }),
          periods: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
          prompt: fc.array(fc.nat(11), { minLength: 1, maxLength: 20 }),
          maxNewTokens: fc.integer({ min: 1, max: 40 }),
          most: fc.integer({ min: 1, max: 5 }),
          limit: fc.integer({ min: 1, max: 80 }),
        }),
        async ({ vocabulary, periods: [period, other], prompt, maxNewTokens, most, limit }) => {
          const ids = prompt.map((id) => id % vocabulary)
          const [plain, ahead] = [loopingModel(vocabulary, period), loopingModel(vocabulary, period)]
          const draft = loopingModel(vocabulary, other)
          await draft.sequence.append(ids)
          const wanted = await collect(generate(await plain.sequence.append(ids), plain.sequence, { maxNewTokens }))
          const proposer = draftProposer(draft.sequence, limit)
          const first = await ahead.sequence.append(ids)
          const got = await collect(generateSpeculatively(first, ahead.sequence, { maxNewTokens, proposer, maxDraft: most }))
          expect(got).toEqual(wanted)
          expect(ahead.state.ids).toEqual(plain.state.ids)
          expect(draft.state.ids.length).toBeLessThanOrEqual(Math.max(limit, ids.length))
          // What the draft has read and was not its own guess stands in the answer.
          if (period === other && limit === 80) expect(ahead.state.steps).toBeLessThanOrEqual(1 + Math.ceil(maxNewTokens / 2))
        },
      ),
    )
  })

  it('takes fewer steps where the answer repeats', async () => {
    const model = loopingModel(5, 1)
    const prompt = [0, 1, 2]
    await collect(
      generateWithLookup(await model.sequence.append(prompt), model.sequence, { maxNewTokens: 100, promptIds: prompt }),
    )
    expect(model.state.steps).toBeLessThan(40)
  })
})
