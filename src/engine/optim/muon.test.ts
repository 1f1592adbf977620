/** Muon against its formula in plain loops, and what its Newton-Schulz iteration promises of singular values. */
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { Graph } from '../graph/graph.js'
import { liveHandles } from '../runtime/handles.js'
import { runOnce } from '../runtime/run-once.js'
import { FlatParameters } from './flat-parameters.js'
import { Muon } from './muon.js'
import { formOf, orthogonal } from './newton-schulz.js'

type Matrix = readonly (readonly number[])[]

const transposed = (a: Matrix): Matrix => (a[0] ?? []).map((_, j) => a.map((row) => row[j] as number))
const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => transposed(b).map((column) => row.reduce((sum, v, k) => sum + v * (column[k] as number), 0)))
const combined = (p: number, a: Matrix, q: number, b: Matrix): Matrix =>
  a.map((row, i) => row.map((v, j) => p * v + q * (b[i]?.[j] as number)))

/** The iteration as the paper writes it, for a matrix of at most as many rows as columns. */
function reference(x: Matrix): Matrix {
  if (x.length > (x[0]?.length ?? 0)) return transposed(reference(transposed(x)))
  const norm = Math.hypot(...x.flat()) + 1e-7
  let y: Matrix = x.map((row) => row.map((v) => v / norm))
  for (let step = 0; step < 5; step++) {
    const s = product(y, transposed(y))
    y = combined(3.4445, y, 1, product(combined(-4.775, s, 2.0315, product(s, s)), y))
  }
  return y
}

/** Squares of the singular values of a matrix: eigenvalues of its Gram matrix, by Jacobi rotations. */
function singularSquares(x: Matrix): number[] {
  const a = product(x, transposed(x)).map((row) => [...row])
  const at = (i: number, j: number): number => a[i]?.[j] as number
  for (let sweep = 0; sweep < 30; sweep++) {
    for (let p = 0; p < a.length; p++) {
      for (let q = p + 1; q < a.length; q++) {
        if (Math.abs(at(p, q)) < 1e-14) continue
        const angle = 0.5 * Math.atan2(2 * at(p, q), at(q, q) - at(p, p))
        const [c, s] = [Math.cos(angle), Math.sin(angle)]
        for (const row of a)
          [row[p], row[q]] = [c * (row[p] as number) - s * (row[q] as number), s * (row[p] as number) + c * (row[q] as number)]
        const [rowP, rowQ] = [a[p] as number[], a[q] as number[]]
        a[p] = rowP.map((v, k) => c * v - s * (rowQ[k] as number))
        a[q] = rowP.map((v, k) => s * v + c * (rowQ[k] as number))
      }
    }
  }
  return a.map((row, i) => row[i] as number)
}

const rowsOf = (values: Float32Array, rows: number): Matrix =>
  Array.from({ length: rows }, (_, i) => [...values.subarray((i * values.length) / rows, ((i + 1) * values.length) / rows)])

/** Matrices with numbers from the unit square, never all alike. */
const matrix = fc
  .record({
    rows: fc.integer({ min: 1, max: 9 }),
    columns: fc.integer({ min: 1, max: 9 }),
    seed: fc.integer({ min: 1, max: 1e6 }),
  })
  .map(({ rows, columns, seed }) => {
    let state = seed
    const next = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state / 2 ** 31 - 1
    }
    return { rows, columns, values: Float32Array.from({ length: rows * columns }, next) }
  })

describe('Newton-Schulz', () => {
  const engine = async (
    values: Float32Array,
    rows: number,
    columns: number,
    form = formOf(rows, columns),
  ): Promise<Float32Array> => {
    const g = new Graph('orthogonal')
    const shape = [rows, columns]
    const { y } = await runOnce(
      g,
      { x: { dtype: 'f32', shape, data: values } },
      { y: orthogonal(g, g.input('x', 'f32', shape), form) },
    )
    return y?.data as Float32Array
  }

  it('gives what plain loops give, wide or tall, with steps on the matrix and on its squares', async () => {
    await fc.assert(
      fc.asyncProperty(matrix, async ({ rows, columns, values }) => {
        const wanted = reference(rowsOf(values, rows)).flat()
        for (const long of [false, true]) {
          const got = await engine(values, rows, columns, { tall: rows > columns, long })
          for (const [i, v] of got.entries()) expect(v).toBeCloseTo(wanted[i] as number, 3)
        }
      }),
      { numRuns: 40 },
    )
  })

  it('brings the singular values of a well-conditioned matrix near 1, and leaves zeros alone', async () => {
    await fc.assert(
      fc.asyncProperty(matrix, async ({ rows, columns, values }) => {
        // A third more on the diagonal of the square part keeps the smallest singular value from vanishing.
        for (let i = 0; i < Math.min(rows, columns); i++) values[i * columns + i] = 4 + (values[i * columns + i] as number)
        const short = rowsOf(await engine(values, rows, columns), rows)
        for (const square of singularSquares(rows <= columns ? short : transposed(short))) {
          expect(Math.sqrt(square)).toBeGreaterThan(0.5)
          expect(Math.sqrt(square)).toBeLessThan(1.3)
        }
      }),
      { numRuns: 40 },
    )
    expect(await engine(new Float32Array(6), 2, 3)).toEqual(new Float32Array(6))
  })
})

describe('Muon', () => {
  const options = {
    learningRate: 0.02,
    momentum: 0.95,
    weightDecay: 0.05,
    adamw: { learningRate: 2e-3, betas: [0.9, 0.95], epsilon: 1e-8, maxNorm: 1 },
  } as const
  const rates = new Map([['tall', { lrScale: 0.5, weightDecay: 0.1 }]])
  const filled = (): FlatParameters => {
    const p = new FlatParameters([
      { name: 'tall', shape: [6, 3] },
      { name: 'kernel', shape: [2, 3, 2, 2] },
      { name: 'bias', shape: [5] },
    ])
    p.weights.set(p.weights.map((_, i) => Math.sin(i)))
    for (const t of p.tensors) p.view(p.gradients, t).set(Array.from({ length: t.length }, (_, i) => Math.cos(3 * i)))
    return p
  }

  it('moves matrices and kernels along the orthogonal momentum, the rest by AdamW', async () => {
    const p = filled()
    const muon = new Muon(p, rates, new Set(['tall', 'kernel']), options)
    const before = p.weights.slice()
    const targets = 3
    const norm = Math.hypot(...p.tensors.flatMap((t) => [...p.view(p.gradients, t)])) / targets
    expect(await muon.step({ step: 1, schedule: 0.5, targets })).toBeCloseTo(norm, 5)
    const scale = Math.min(1, 1 / (norm + 1e-6)) / targets
    for (const [name, lrScale, columns] of [
      ['tall', 0.5, 3],
      ['kernel', 1, 12],
    ] as const) {
      const t = p.tensors.find((tensor) => tensor.name === name)
      if (!t) throw new Error(name)
      const rows = t.length / columns
      // From no momentum: m = 0.05 g, looked ahead by 0.95 m + 0.05 g.
      const direction = rowsOf(
        p.view(p.gradients, t).map((g) => scale * g * (0.95 * 0.05 + 0.05)),
        rows,
      )
      const update = reference(direction).flat()
      const rate = 0.02 * 0.5 * lrScale
      p.view(p.weights, t).forEach((w, i) => {
        const wanted =
          (before[t.offset + i] as number) * (1 - rate * 0.05) -
          rate * Math.sqrt(Math.max(1, rows / columns)) * (update[i] as number)
        expect(w, name).toBeCloseTo(wanted, 5)
      })
      expect(muon.slots(name)).toEqual(['momentum'])
    }
    const bias = p.tensors[2]
    // AdamW's first step is the sign of the gradient times the rate.
    for (const [i, w] of bias ? p.view(p.weights, bias).entries() : []) {
      const at = (bias?.offset ?? 0) + i
      expect(w).toBeCloseTo((before[at] as number) - 1e-3 * Math.sign(p.gradients[at] as number), 5)
    }
    expect(muon.slots('bias')).toEqual(['firstMoment', 'secondMoment'])
    muon.dispose()
    p.dispose()
  })

  it('changes nothing when a gradient is not finite', async () => {
    const p = filled()
    p.gradients[2] = Number.POSITIVE_INFINITY
    const before = p.weights.slice()
    const muon = new Muon(p, rates, new Set(['tall']), options)
    expect(await muon.step({ step: 1, schedule: 1, targets: 1 })).toBe(Number.POSITIVE_INFINITY)
    expect(p.weights).toEqual(before)
    muon.dispose()
    p.dispose()
  })
})

afterAll(() => expect(liveHandles(), 'handles alive after every dispose').toEqual({ total: 0, byKind: {} }))
