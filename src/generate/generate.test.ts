import { describe, expect, it } from 'vitest'
import { logProbs, randomModel } from '../../tests/support/random-logits.js'
import { InputError } from '../common/errors.js'
import type { Branches, BranchingSequence } from '../inference/sequence.js'
import { type BeamOptions, beamSearch, type Hypothesis } from './beam.js'
import { type GenerateOptions, generate } from './generate.js'

async function collect(run: ReturnType<typeof generate>) {
  const ids: number[] = []
  const logprobs: number[] = []
  for (;;) {
    const step = await run.next()
    if (step.done) return { ids, logprobs, end: step.value }
    ids.push(step.value.id)
    logprobs.push(step.value.logprob)
  }
}

const prompt = [1, 0]
const run = (model: ReturnType<typeof randomModel>, options: GenerateOptions) =>
  collect(generate(model.logits(prompt), model.open(prompt), options))

describe('greedy decoding', () => {
  it('takes the most probable id each time and reports its log-probability', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const model = randomModel(7, seed)
      const { ids, logprobs, end } = await run(model, { maxNewTokens: 12 })
      const context = [...prompt]
      for (const [i, id] of ids.entries()) {
        const want = logProbs(model.logits(context))
        expect(id).toBe(want.indexOf(Math.max(...want)))
        expect(logprobs[i]).toBeCloseTo(want[id] as number, 6)
        context.push(id)
      }
      expect(end).toEqual({ reason: 'length' })
      expect(model.count.appended).toBe(11)
    }
  })

  it('ends at a stop id, which is not yielded', async () => {
    const model = randomModel(7, 3)
    const { ids } = await run(model, { maxNewTokens: 12 })
    const stopId = ids[4] as number
    const stopped = await run(model, { maxNewTokens: 12, stopIds: [stopId, 99] })
    expect(stopped.ids).toEqual(ids.slice(0, ids.indexOf(stopId)))
    expect(stopped.end).toEqual({ reason: 'stop', stopId })
  })

  it('penalises the ids of the context and the new ones', async () => {
    const model = randomModel(6, 4)
    const all = await run(model, { maxNewTokens: 6, repetitionPenalty: 1e6 })
    expect([...new Set(all.ids)].length).toBe(6)
    const [first] = all.ids
    const rest = await run(model, { maxNewTokens: 5, repetitionPenalty: 1e6, contextIds: [first as number] })
    expect(rest.ids).not.toContain(first)
  })
})

describe('sampling', () => {
  it('repeats with the seed, and with top_k 1 is greedy', async () => {
    const model = randomModel(9, 5)
    const sampled = (seed: number, topK = 0) => run(model, { maxNewTokens: 20, sampling: { seed, topK } })
    const [a, b, c] = [await sampled(1), await sampled(1), await sampled(2)]
    expect(a).toEqual(b)
    expect(a.ids).not.toEqual(c.ids)
    expect((await sampled(1, 1)).ids).toEqual((await run(model, { maxNewTokens: 20 })).ids)
  })
})

describe('generation', () => {
  it('stops when aborted, and refuses options out of range', async () => {
    const model = randomModel(5, 6)
    const control = new AbortController()
    const stream = generate(model.logits(prompt), model.open(prompt), { maxNewTokens: 9, signal: control.signal })
    await stream.next()
    control.abort(new Error('the reader left'))
    await expect(stream.next()).rejects.toThrow('the reader left')
    expect(model.count.appended).toBe(0)
    for (const maxNewTokens of [0, -1, 1.5, Number.NaN]) await expect(run(model, { maxNewTokens })).rejects.toThrow(InputError)
    await expect(run(model, { maxNewTokens: 1, sampling: { seed: 1, topP: 0 } })).rejects.toThrow(/top_p: got 0/)
    await expect(run(model, { maxNewTokens: 1, repetitionPenalty: -1 })).rejects.toThrow(/repetition_penalty/)
  })
})

/** All sequences that end at a stop id or at the limit, scored from the definition, best first. */
function everything(model: ReturnType<typeof randomModel>, vocabulary: number, options: BeamOptions): Hypothesis[] {
  const { maxNewTokens, stopIds = [], lengthPenalty = 1, lengthRule = 'generated', prefixLength = 1 } = options
  const found: Hypothesis[] = []
  const walk = (ids: number[], sum: number): void => {
    const step = logProbs(model.logits([...prompt, ...ids]))
    for (let id = 0; id < vocabulary; id++) {
      const total = sum + (step[id] as number)
      if (stopIds.includes(id)) {
        const length = lengthRule === 'generated' ? ids.length + 1 : prefixLength + ids.length
        found.push({ ids, score: total / length ** lengthPenalty, stopId: id })
      } else if (ids.length + 1 === maxNewTokens) {
        const length = maxNewTokens + (lengthRule === 'generated' ? 0 : prefixLength)
        found.push({ ids: [...ids, id], score: total / length ** lengthPenalty })
      } else walk([...ids, id], total)
    }
  }
  walk([], 0)
  return found.sort((a, b) => b.score - a.score)
}

const beams = (model: ReturnType<typeof randomModel>, options: BeamOptions) =>
  beamSearch(model.logits(prompt), model.open(prompt), options)

function expectSame(got: readonly Hypothesis[], want: readonly Hypothesis[]): void {
  expect(got.map(({ ids, stopId }) => ({ ids, stopId }))).toEqual(want.map(({ ids, stopId }) => ({ ids, stopId })))
  for (const [i, { score }] of got.entries()) expect(score).toBeCloseTo(want[i]?.score as number, 6)
}

describe('beam search', () => {
  it.each(['generated', 'sequence'] as const)(
    'wide enough finds what exhaustive search finds (length rule %s)',
    async (lengthRule) => {
      for (let seed = 0; seed < 8; seed++) {
        const model = randomModel(3, 100 + seed)
        // 1 + 2 + 4 + 8 + 2 * 8 sequences and 64 beams: no step has to drop one, so the result is the exact ranking.
        const options = { beams: 64, maxNewTokens: 5, stopIds: [2], lengthRule, lengthPenalty: 0.7, prefixLength: 3 }
        expectSame(await beams(model, options), everything(model, 3, options))
      }
    },
  )

  it('without a length penalty stops early and still is exact', async () => {
    for (let seed = 0; seed < 8; seed++) {
      const model = randomModel(4, 200 + seed)
      const options = { beams: 64, maxNewTokens: 4, stopIds: [3, 1], lengthPenalty: 0 }
      const want = everything(model, 4, options)
      expectSame(await beams(model, options), want.slice(0, 64))
    }
  })

  it('with one beam and no stop id is greedy', async () => {
    for (let seed = 0; seed < 8; seed++) {
      const model = randomModel(8, 300 + seed)
      const options = { maxNewTokens: 10, repetitionPenalty: 1 }
      expect((await beams(model, { ...options, beams: 1 }))[0]?.ids).toEqual((await run(model, options)).ids)
    }
  })

  it('closes a stop id ranked among the first k and drops one ranked below', async () => {
    // From any context: 0 with 0.5, 1 with 0.3, the stop id 2 with 0.2. With two beams the stop id is never among the first two.
    const step = Float32Array.from([0.5, 0.3, 0.2], Math.log)
    const branches: Branches = { step: async (parents) => parents.map(() => step), dispose: () => {} }
    const sequence: BranchingSequence = { length: 0, append: async () => step, branch: () => branches, dispose: () => {} }
    const options = { maxNewTokens: 2, stopIds: [2], lengthPenalty: 0 }
    const two = await beamSearch(step, sequence, { ...options, beams: 2 })
    expect(two.map(({ ids }) => ids)).toEqual([
      [0, 0],
      [0, 1],
    ])
    const three = await beamSearch(step, sequence, { ...options, beams: 3 })
    expect(three[1]).toMatchObject({ ids: [], stopId: 2 })
  })

  it('penalises repetition on the log-probabilities', async () => {
    const model = randomModel(6, 7)
    const [best] = await beams(model, { beams: 3, maxNewTokens: 4, repetitionPenalty: 50 })
    expect([...new Set(best?.ids)].length).toBe(4)
  })

  it('gives the branches back and leaves the prompt as it was, also when it fails', async () => {
    const model = randomModel(12, 8)
    const sequence = model.open(prompt)
    for (const width of [1, 2, 3, 5]) {
      await beamSearch(model.logits(prompt), sequence, { beams: width, maxNewTokens: 15, stopIds: [4] })
      expect(model.count.open).toBe(1)
      expect(sequence.length).toBe(2)
    }
    for (let budget = 0; budget < 14; budget++) {
      let left = budget
      const failing = (inner: Branches): Branches => ({
        step: (...step) => (left-- > 0 ? inner.step(...step) : Promise.reject(new Error('out of memory'))),
        dispose: () => inner.dispose(),
      })
      const broken: BranchingSequence = { ...sequence, branch: () => failing(sequence.branch()) }
      await expect(beamSearch(model.logits(prompt), broken, { beams: 3, maxNewTokens: 15 })).rejects.toThrow('out of memory')
      expect(model.count.open).toBe(1)
    }
    const aborted = { beams: 3, maxNewTokens: 15, signal: AbortSignal.abort(new Error('the reader left')) }
    await expect(beamSearch(model.logits(prompt), sequence, aborted)).rejects.toThrow('the reader left')
    for (const width of [0, 65, 1.5]) await expect(beams(model, { beams: width, maxNewTokens: 3 })).rejects.toThrow(InputError)
  })
})
