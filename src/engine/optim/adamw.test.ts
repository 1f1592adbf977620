/** AdamW against the formula in plain numbers, and the same bits for any number of threads. */
import { createHash } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import { liveHandles } from '../runtime/handles.js'
import { AdamW } from './adamw.js'
import { CHUNK } from './adamw-kernel.js'
import { FlatParameters } from './flat-parameters.js'
import { OptimizerPool } from './optimizer-pool.js'

const options = { learningRate: 1, betas: [0.9, 0.95], epsilon: 1e-8, maxNorm: 1 } as const
const rates = new Map([
  ['a', { lrScale: 1, weightDecay: 0.1 }],
  ['b', { lrScale: 0.2, weightDecay: 0 }],
])

function filled(sizes: Record<string, number>): FlatParameters {
  const p = new FlatParameters(Object.entries(sizes).map(([name, n]) => ({ name, shape: [n] })))
  let state = 12345
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
  for (const t of p.tensors) {
    for (const flat of [p.weights, p.gradients, p.slot('firstMoment')])
      p.view(flat, t).set(Array.from({ length: t.length }, next))
    p.view(p.slot('secondMoment'), t).set(Array.from({ length: t.length }, () => next() ** 2))
  }
  return p
}

/** The values after some steps; the gradients change in between. */
async function steps(p: FlatParameters, count: number, pool?: OptimizerPool): Promise<{ norms: number[]; bits: string[] }> {
  const adamw = new AdamW(p, rates, options, { pool })
  const norms: number[] = []
  for (let step = 1; step <= count; step++) {
    norms.push(await adamw.step({ step, schedule: 1e-3, targets: 1 }))
    p.gradients.set(p.gradients.map((g) => g * 0.75))
  }
  const bits = (flat: Float32Array) => createHash('sha256').update(flat).digest('hex')
  return { norms, bits: [p.weights, p.slot('firstMoment'), p.slot('secondMoment')].map(bits) }
}

describe('AdamW', () => {
  it.each([1, 7])('follows the formula, for gradients summed over %i targets', async (targets) => {
    const p = filled({ a: 5, b: 3 })
    const [w, g, m, v] = [p.weights, p.gradients, p.slot('firstMoment'), p.slot('secondMoment')].map((flat) => Array.from(flat))
    const norm = Math.hypot(...(g as number[]))
    p.gradients.set(p.gradients.map((v) => v * targets))
    const adamw = new AdamW(p, rates, options)
    expect(await adamw.step({ step: 3, schedule: 1e-2, targets })).toBeCloseTo(norm, 6)
    for (const t of p.tensors) {
      const { lrScale, weightDecay } = rates.get(t.name) ?? { lrScale: 1, weightDecay: 0 }
      for (let i = t.offset; i < t.offset + t.length; i++) {
        const d = (g?.[i] ?? 0) / norm
        const m1 = 0.9 * (m?.[i] ?? 0) + 0.1 * d
        const v1 = 0.95 * (v?.[i] ?? 0) + 0.05 * d * d
        const lr = 1e-2 * lrScale
        const update = m1 / (1 - 0.9 ** 3) / (Math.sqrt(v1 / (1 - 0.95 ** 3)) + 1e-8)
        expect(p.weights[i]).toBeCloseTo((w?.[i] ?? 0) * (1 - lr * weightDecay) - lr * update, 5)
      }
    }
    p.dispose()
  })

  it('changes nothing when a gradient is not finite', async () => {
    const p = filled({ a: 40 })
    p.gradients[7] = Number.NaN
    const before = p.weights.slice()
    expect(await new AdamW(p, rates, options).step({ step: 1, schedule: 1e-3, targets: 1 })).toBeNaN()
    expect(p.weights).toEqual(before)
    p.dispose()
  })
})

describe('threads', () => {
  // Tensors that end inside a chunk, span several, and leave padding.
  const sizes = { a: CHUNK + 77, b: 3, c: 2 * CHUNK + 5 }
  const alone = filled(sizes)
  const expected = steps(alone, 4).finally(() => alone.dispose())

  it.each([0, 1, 3])('give the same bits: %i beside the caller', async (threads) => {
    const p = filled(sizes)
    const pool = new OptimizerPool(p, threads)
    expect(liveHandles().byKind.worker ?? 0).toBe(threads)
    expect(await steps(p, 4, pool)).toEqual(await expected)
    pool.dispose()
    p.dispose()
  })

  it('do the work alone when the caller takes no chunk', async () => {
    const p = filled(sizes)
    const pool = new OptimizerPool(p, 1)
    const begun = pool.begin(0)
    while (!begun()) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(Math.sqrt(pool.memory.sums.reduce((x, y) => x + y, 0))).toBe((await expected).norms[0])
    pool.dispose()
    p.dispose()
  })

  it('serve only the parameters they were made for', () => {
    const [p, other] = [filled({ a: 4 }), filled({ a: 4 })]
    const pool = new OptimizerPool(p, 0)
    expect(() => new AdamW(other, rates, options, { pool })).toThrow('the pool was made for other parameters')
    pool.dispose()
    p.dispose()
    other.dispose()
  })
})

afterAll(() => expect(liveHandles(), 'handles alive after every dispose').toEqual({ total: 0, byKind: {} }))
