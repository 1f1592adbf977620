/** Branches of one sequence against independent sequences, which know nothing of each other. */
import { rmSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { smallConfig, writeRandomModel } from '../../tests/support/random-model.js'
import { largestDifference, ROUNDING, smallDecoder } from '../../tests/support/small-decoder.js'
import { liveHandles } from '../engine/index.js'
import { beamSearch } from '../generate/beam.js'
import { openModel } from '../model/open-checkpoint.js'
import { DecoderRuntime, type DecoderSequence } from './decoder-runtime.js'
import type { BranchingSequence } from './sequence.js'

const small = smallDecoder()

const ids = (n: number, from = 3) => Array.from({ length: n }, (_, i) => from + ((i * 37) % 190))

/** A sequence that holds a prompt with four image rows, and its last logits. */
async function prompted(
  length: number,
  limit?: number,
  on = small.model,
): Promise<{ sequence: DecoderSequence; logits: Float32Array }> {
  const sequence = on.sequence(limit)
  const logits = await sequence.appendRows(on.store.embed(ids(length)), length, [2, 3, 4, 5])
  return { sequence, logits }
}

/** Logits after the prompt and `path`, on a sequence of its own. */
async function alone(length: number, path: readonly number[], on = small.model): Promise<Float32Array> {
  const { sequence } = await prompted(length, undefined, on)
  try {
    return await sequence.append(path)
  } finally {
    sequence.dispose()
  }
}

/** The plain implementation: every branch is computed from its prompt, every time. */
function independent(length: number, on = small.model): BranchingSequence {
  return {
    length,
    append: (path) => alone(length, path, on),
    branch() {
      let paths: number[][] = [[]]
      return {
        async step(parents, next) {
          paths = parents.map((parent, i) => [...(paths[parent] as number[]), next[i] as number])
          const logits: Float32Array[] = []
          for (const path of paths) logits.push(await alone(length, path, on))
          return logits
        },
        dispose() {},
      }
    },
    dispose() {},
  }
}

const tree = fc.array(fc.array(fc.tuple(fc.nat(), fc.nat(199)), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 })

describe('branches', () => {
  it('give the logits of independent sequences, whichever branches die, also where the cache has to grow', async () => {
    await fc.assert(
      fc.asyncProperty(tree, fc.constantFrom(1 + 6, 249, 255), async (steps, length) => {
        const { sequence } = await prompted(length)
        const branches = sequence.branch()
        let paths: number[][] = [[]]
        try {
          for (const step of steps) {
            const parents = step.map(([parent]) => parent % paths.length)
            const next = step.map(([, id]) => id)
            paths = parents.map((parent, i) => [...(paths[parent] as number[]), next[i] as number])
            const logits = await branches.step(parents, next)
            expect(logits.length).toBe(paths.length)
            for (const [i, path] of paths.entries())
              expect(largestDifference(logits[i] as Float32Array, await alone(length, path))).toBeLessThan(ROUNDING)
          }
        } finally {
          branches.dispose()
          sequence.dispose()
        }
      }),
      { numRuns: 25 },
    )
  })

  it('make no copy of the prompt, and leave it as it was', async () => {
    const { sequence } = await prompted(100)
    const { cache } = sequence
    const [keys, values] = [cache.filled('keys', 1), cache.filled('values', 1)]
    const memory = [...cache.keys, ...cache.values]
    const warm = sequence.branch()
    await warm.step([0, 0], [5, 6])
    warm.dispose()
    const before = liveHandles()
    const branches = sequence.branch()
    for (let step = 0; step < 20; step++) await branches.step([0, 0, 0], [7, 8, step])
    expect(liveHandles()).toEqual(before)
    expect([...cache.keys, ...cache.values].every((value, i) => value === memory[i])).toBe(true)
    branches.dispose()
    expect(sequence.length).toBe(100)
    expect([cache.filled('keys', 1), cache.filled('values', 1)]).toEqual([keys, values])
    expect(largestDifference(await sequence.append([9]), await alone(100, [9]))).toBeLessThan(ROUNDING)
    sequence.dispose()
  })

  it('that died give their memory to the living', async () => {
    const { sequence } = await prompted(200)
    const branches = sequence.branch()
    const path: number[] = []
    let logits: Float32Array[] = []
    for (let step = 0; step < 150; step++) {
      // Only the third of four has children.
      logits = await branches.step(step === 0 ? [0, 0, 0, 0] : [2, 2, 2, 2], [1, 2, 3 + (step % 50), 4])
      path.push(3 + (step % 50))
    }
    expect(largestDifference(logits[2] as Float32Array, await alone(200, path))).toBeLessThan(ROUNDING)
    expect(sequence.cache.length + sequence.cache.room).toBeLessThan(200 + 4 * 150)
    branches.dispose()
    sequence.dispose()
  })

  it('may together be longer than the context, each may not', async () => {
    const { sequence } = await prompted(10, 16)
    const branches = sequence.branch()
    for (let step = 0; step < 6; step++) await branches.step(step === 0 ? [0, 0, 0] : [0, 1, 2], [1, 2, 3])
    await expect(branches.step([0, 1, 2], [1, 2, 3])).rejects.toThrow('the sequence would have 17 positions')
    branches.dispose()
    expect(sequence.length).toBe(10)
    sequence.dispose()
  })
})

describe('beam search on branches', () => {
  it.each([
    [2, 'generated'],
    [3, 'sequence'],
    [5, 'generated'],
    [5, 'sequence'],
  ] as const)('%i wide finds the hypotheses of independent sequences (length rule %s)', async (beams, lengthRule) => {
    for (const stopIds of [[], [11, 40, 77, 120, 150, 160, 170, 180]]) {
      const { sequence, logits } = await prompted(250)
      const options = { beams, maxNewTokens: 9, stopIds, lengthRule }
      const got = await beamSearch(logits, sequence, options)
      const want = await beamSearch(logits, independent(250), options)
      expect(got.map(({ ids, stopId }) => [ids, stopId])).toEqual(want.map(({ ids, stopId }) => [ids, stopId]))
      for (const [i, { score }] of got.entries()) expect(score).toBeCloseTo(want[i]?.score as number, 4)
      sequence.dispose()
    }
  })

  it('turns keys by the stretched tables of dynamic scaling, and forgets them afterwards', async () => {
    const scaled = writeRandomModel({
      ...smallConfig,
      max_position_embeddings: 32,
      rope_scaling: { type: 'dynamic', factor: 2 },
    })
    const on = new DecoderRuntime(openModel(scaled), { threads: 1 })
    try {
      const { sequence, logits } = await prompted(30, undefined, on)
      const wide = await beamSearch(logits, sequence, { beams: 3, maxNewTokens: 8 })
      expect(sequence.length).toBe(30)
      // One branch is one sequence: the same steps through `append`.
      const path = wide[0]?.ids ?? []
      const branches = sequence.branch()
      const other = await prompted(30, undefined, on)
      for (const id of path) {
        const [branched] = await branches.step([0], [id])
        expect(largestDifference(branched as Float32Array, await other.sequence.append([id]))).toBeLessThan(ROUNDING)
      }
      branches.dispose()
      const [refine, fresh] = [await sequence.append([9]), await prompted(30, undefined, on)]
      expect(largestDifference(refine, await fresh.sequence.append([9]))).toBeLessThan(ROUNDING)
      for (const s of [sequence, other.sequence, fresh.sequence]) s.dispose()
    } finally {
      on.dispose()
      rmSync(scaled, { recursive: true })
    }
  })
})
