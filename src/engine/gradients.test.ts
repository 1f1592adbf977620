/** Numeric gradient check over the whole operation table, and the engine's bookkeeping. */
import { afterAll, describe, expect, it } from 'vitest'
import { gradients } from './graph/autodiff.js'
import { type Dim, elements, product } from './graph/dims.js'
import { GradientError } from './graph/errors.js'
import { Graph } from './graph/graph.js'
import { defineOperation, operations, type Tensor } from './graph/operation.js'
import { add, gelu, mean, mul, quickGelu, scale, silu } from './ops/arithmetic.js'
import { cachedAttention, fullAttention, rotary } from './ops/attention.js'
import { convolution } from './ops/convolution.js'
import { resizeHeads } from './ops/head-size.js'
import { linearCrossEntropy } from './ops/loss.js'
import { layerNorm, linear, matmul, rmsNorm, softmax } from './ops/products.js'
import { quantizedLinear } from './ops/quantized.js'
import { addRows, embedding, gatherRows, setRows } from './ops/rows.js'
import { concat, convolutionIndex, cut, gatherPixels, join, padFront, reshape, split, transpose } from './ops/shape.js'
import { liveHandles } from './runtime/handles.js'
import { type HostTensor, runOnce } from './runtime/run-once.js'

function noise(seed: number): () => number {
  let s = seed * 2654435761 + 1
  return () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0
    return s / 2 ** 31 - 1
  }
}

const index = (...pairs: number[]): HostTensor<'i64'> => ({
  dtype: 'i64',
  shape: [pairs.length / 2, 2],
  data: BigInt64Array.from(pairs, BigInt),
})
const ids = (...values: number[]): HostTensor<'i64'> => ({
  dtype: 'i64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
})
const table = (f: (x: number) => number): HostTensor<'f32'> => ({
  dtype: 'f32',
  shape: [8, 2],
  data: Float32Array.from({ length: 16 }, (_, i) => f((i >> 1) * (i % 2 ? 0.1 : 1))),
})

interface Case {
  readonly parameters: Record<string, readonly number[]>
  readonly fixed?: Record<string, HostTensor>
  readonly build: (g: Graph, t: Record<string, Tensor>) => Tensor
}

const cases: Record<string, Case> = {
  'add with broadcasting': { parameters: { a: [2, 3, 4], b: [4] }, build: (g, { a, b }) => add(g, a!, b!) },
  'add of a column': { parameters: { a: [2, 3, 4], b: [3, 1] }, build: (g, { a, b }) => add(g, a!, b!) },
  'mul with broadcasting': { parameters: { a: [2, 3], b: [1, 3] }, build: (g, { a, b }) => mul(g, a!, b!) },
  'a tensor used twice': { parameters: { a: [3, 3] }, build: (g, { a }) => mul(g, a!, scale(g, a!, 0.5)) },
  silu: { parameters: { a: [3, 4] }, build: (g, { a }) => silu(g, a!) },
  quickGelu: { parameters: { a: [3, 4] }, build: (g, { a }) => quickGelu(g, a!) },
  gelu: { parameters: { a: [3, 4] }, build: (g, { a }) => gelu(g, a!) },
  mean: { parameters: { a: [2, 3, 4] }, build: (g, { a }) => mean(g, a!, 1) },
  linear: { parameters: { x: [2, 3, 4], w: [5, 4] }, build: (g, { x, w }) => linear(g, x!, w!) },
  matmul: { parameters: { a: [2, 3, 4], b: [2, 4, 5] }, build: (g, { a, b }) => matmul(g, a!, b!, { alpha: 0.5 }) },
  'matmul, left transposed': {
    parameters: { a: [2, 4, 3], b: [2, 4, 5] },
    build: (g, { a, b }) => matmul(g, a!, b!, { transA: true }),
  },
  'matmul, right transposed': {
    parameters: { a: [2, 3, 4], b: [2, 5, 4] },
    build: (g, { a, b }) => matmul(g, a!, b!, { transB: true }),
  },
  'matmul, both transposed': {
    parameters: { a: [2, 4, 3], b: [2, 5, 4] },
    build: (g, { a, b }) => matmul(g, a!, b!, { transA: true, transB: true }),
  },
  softmax: { parameters: { a: [3, 5] }, build: (g, { a }) => softmax(g, a!) },
  rmsNorm: { parameters: { x: [3, 6], w: [6] }, build: (g, { x, w }) => rmsNorm(g, x!, w!, 1e-5) },
  layerNorm: { parameters: { x: [3, 6], w: [6], b: [6] }, build: (g, { x, w, b }) => layerNorm(g, x!, w!, b!, 1e-5) },
  reshape: { parameters: { a: [2, 6] }, build: (g, { a }) => reshape(g, a!, [3, 4]) },
  transpose: { parameters: { a: [2, 3, 4] }, build: (g, { a }) => transpose(g, a!, [2, 0, 1]) },
  split: { parameters: { a: [2, 5] }, build: (g, { a }) => split(g, a!, 1, [2, 3])[1]! },
  concat: { parameters: { a: [2, 2], b: [2, 3] }, build: (g, { a, b }) => concat(g, [a!, b!], 1) },
  cut: { parameters: { a: [2, 6] }, build: (g, { a }) => cut(g, a!, 1, 3)[1]! },
  join: { parameters: { a: [2, 3], b: [2, 3] }, build: (g, { a, b }) => join(g, [a!, b!], 1) },
  padFront: { parameters: { x: [2, 3, 4] }, build: (g, { x }) => padFront(g, x!) },
  convolution: { parameters: { x: [2, 16, 2], w: [3, 18] }, build: (g, { x, w }) => convolution(g, x!, w!) },
  'gatherPixels (3 x 3, stride 1)': {
    parameters: { x: [2, 16, 3] },
    build: (g, { x }) => gatherPixels(g, x!, convolutionIndex(4, 3, 1)),
  },
  'gatherPixels (3 x 3, stride 2)': {
    parameters: { x: [2, 16, 3] },
    build: (g, { x }) => gatherPixels(g, x!, convolutionIndex(4, 3, 2)),
  },
  'a convolution, stride 1': {
    parameters: { x: [2, 9, 2], w: [3, 18] },
    build: (g, { x, w }) => linear(g, gatherPixels(g, x!, convolutionIndex(3, 3, 1)), w!),
  },
  'a convolution, stride 2, behind another use of its picture': {
    parameters: { x: [1, 16, 2], w: [3, 18] },
    build: (g, { x, w }) => {
      const y = linear(g, gatherPixels(g, silu(g, x!), convolutionIndex(4, 3, 2)), w!)
      return concat(g, [reshape(g, y, [1, 12]), reshape(g, silu(g, x!), [1, 32])], 1)
    },
  },
  'a linear layer twice on the same rows': {
    parameters: { x: [2, 3], w: [3, 3] },
    build: (g, { x, w }) => linear(g, add(g, linear(g, silu(g, x!), w!), silu(g, x!)), w!),
  },
  'gatherRows with a repeated row': {
    parameters: { x: [2, 3, 4] },
    fixed: { i: index(0, 1, 1, 2, 0, 1) },
    build: (g, { x, i }) => gatherRows(g, x!, i!),
  },
  'gatherRows beside another use': {
    parameters: { x: [2, 3, 4] },
    fixed: { i: index(0, 1, 1, 2) },
    build: (g, { x, i }) => addRows(g, silu(g, x!), i!, gatherRows(g, x!, i!)),
  },
  addRows: {
    parameters: { x: [2, 3, 4], r: [2, 4] },
    fixed: { i: index(0, 1, 1, 2) },
    build: (g, { x, i, r }) => addRows(g, x!, i!, r!),
  },
  setRows: {
    parameters: { x: [2, 3, 4], r: [2, 4] },
    fixed: { i: index(0, 1, 1, 2) },
    build: (g, { x, i, r }) => setRows(g, x!, i!, r!),
  },
  embedding: { parameters: { t: [5, 3] }, fixed: { i: ids(1, 4, 1) }, build: (g, { t, i }) => embedding(g, t!, i!, 2) },
  rotary: {
    parameters: { x: [1, 2, 3, 4] },
    fixed: { p: ids(2), cos: table(Math.cos), sin: table(Math.sin) },
    build: (g, { x, p, cos, sin }) => rotary(g, x!, p!, cos!, sin!),
  },
  linearCrossEntropy: {
    parameters: { x: [3, 4], w: [6, 4] },
    fixed: { i: ids(2, 5, 2), c: { dtype: 'f32', shape: [3], data: Float32Array.of(1, 0.25, 2) } },
    build: (g, { x, w, i, c }) => linearCrossEntropy(g, x!, w!, i!, c!),
  },
}

function loss(g: Graph, c: Case): { loss: Tensor; parameters: Tensor[] } {
  const tensors: Record<string, Tensor> = {}
  for (const [name, shape] of Object.entries(c.parameters)) tensors[name] = g.trainable(name, shape)
  for (const [name, p] of Object.entries(c.fixed ?? {})) tensors[name] = g.input(name, p.dtype, p.shape)
  const y = c.build(g, tensors)
  const parameters = Object.keys(c.parameters).map((n) => tensors[n]!)
  if (y.shape.length === 0) return { loss: y, parameters }
  const n = elements(y.shape)
  const random = noise(7)
  const weights = g.constant('f32', [1, n], Float32Array.from({ length: n }, random))
  return { loss: reshape(g, linear(g, reshape(g, y, [1, n]), weights), []), parameters }
}

describe('gradients agree with central differences', () => {
  it.each(Object.entries(cases))('%s', async (_, c) => {
    const random = noise(3)
    const inputs: Record<string, HostTensor> = { ...c.fixed }
    for (const [name, shape] of Object.entries(c.parameters)) {
      inputs[name] = { dtype: 'f32', shape, data: Float32Array.from({ length: elements(shape) }, random) }
    }
    const backward = new Graph('backward')
    const { loss: l, parameters } = loss(backward, c)
    const grads = Object.fromEntries(gradients(backward, l, parameters))
    const names = Object.fromEntries(Object.entries(grads).map(([k, t]) => [`d_${k}`, t]))
    const analytic = await runOnce(backward, inputs, { loss: l, ...names })

    const forward = new Graph('forward')
    const f = loss(forward, c).loss
    for (const name of Object.keys(c.parameters)) {
      const data = (inputs[name] as HostTensor<'f32'>).data
      const got = (analytic[`d_${name}`] as HostTensor<'f32'>).data
      for (let i = 0; i < data.length; i++) {
        const at = async (delta: number) => {
          const g = new Graph('forward')
          const moved = Float32Array.from(data)
          moved[i]! += delta
          const shifted = { ...inputs, [name]: { ...inputs[name]!, data: moved } as HostTensor }
          const r = await runOnce(g, shifted, { loss: loss(g, c).loss }, {}, { optimisation: 'none' })
          return (r.loss as HostTensor<'f32'>).data[0]!
        }
        const numeric = ((await at(0.01)) - (await at(-0.01))) / 0.02
        expect(Math.abs(numeric - got[i]!), `${name}[${i}]: ${numeric} against ${got[i]}`).toBeLessThan(
          2e-3 + 5e-3 * Math.abs(numeric),
        )
      }
    }
    expect(f.shape).toEqual([])
  })
})

/** Operations that answer with GradientError: what stands in for each in training is another operation. */
const inferenceOnly: Record<string, (g: Graph, x: Tensor) => unknown> = {
  quantizedLinear: (g, x) =>
    quantizedLinear(g, x, g.weight('values', 'u8', [4, 1, 16]), g.weight('scales', 'f32', [4]), { bits: 4, blockSize: 32 }),
  fullAttention: (g, x) => fullAttention(g, x, x, x, 2),
  resizeHeads: (g, x) => resizeHeads(g, x, 8, 16),
  cachedAttention(g, x) {
    const past = (name: string) => g.input(name, 'f32', [1, 1, 8, 16])
    const tables = { cos: g.input('cos', 'f32', [8, 8]), sin: g.input('sin', 'f32', [8, 8]) }
    const lengths = { lastIndex: g.input('last', 'i32', [1]), totalLength: g.input('total', 'i32', [1]) }
    const caches = { pastKey: past('keys'), pastValue: past('values') }
    // 2 heads of queries beside one of keys and one of values, 8 wide.
    return cachedAttention(g, x, { heads: 2, kvHeads: 1, ...tables, ...lengths, ...caches })
  },
}

describe('the operation table', () => {
  it('has a gradient checked above, or a refusal below, for every operation', () => {
    const checked = new Set<string>()
    for (const c of Object.values(cases)) {
      const g = new Graph('names')
      loss(g, c)
      for (const { operation } of g.tape) checked.add(operation.name)
    }
    const missing = [...operations.values()].filter(({ name, gradient }) => !(gradient ? checked.has(name) : inferenceOnly[name]))
    expect(missing.map(({ name }) => name)).toEqual([])
  })

  it.each(Object.entries(inferenceOnly))('%s over a trainable parameter is refused by name', (name, build) => {
    const g = new Graph('refused')
    const x = g.trainable('x', [1, 2, 32])
    // The heads are resized before they meet the cache.
    const said = name === 'cachedAttention' ? 'resizeHeads' : name
    expect(() => build(g, x)).toThrow(`${said}: has no gradient, but its input "x" of [1, 2, 32] requires one`)
    const inference = new Graph('taken')
    build(inference, inference.input('x', 'f32', [1, 2, 32]))
  })

  it('refuses a bare node over a trainable parameter', () => {
    const g = new Graph('bare')
    expect(() => g.node('Relu', [g.trainable('x', [2])], [{ shape: [2], dtype: 'f32' }])).toThrow(GradientError)
  })

  it('refuses a name that is taken', () => {
    expect(() => defineOperation('linear', { infer: () => [], emit() {} })).toThrow('operation linear is defined twice')
  })
})

describe('products over a number of tokens known at run time', () => {
  const random = (seed: number, shape: readonly number[]): HostTensor<'f32'> => ({
    dtype: 'f32',
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, noise(seed)),
  })
  const inputs = {
    q: random(1, [1, 3, 4]),
    k: random(2, [1, 3, 4]),
    v: random(3, [1, 3, 4]),
    c: random(4, [1, 12]),
    ...Object.fromEntries(['q', 'k', 'v'].map((n, i) => [`${n} bias`, random(5 + i, [4])])),
  }

  /** Gradients of attention without a softmax, over 3 tokens. */
  async function of(tokens: Dim) {
    const g = new Graph('tokens')
    const biases = ['q', 'k', 'v'].map((name) => g.trainable(`${name} bias`, [4]))
    const [q, k, v] = ['q', 'k', 'v'].map((name, i) => add(g, g.input(name, 'f32', [1, tokens, 4]), biases[i]!)) as [
      Tensor,
      Tensor,
      Tensor,
    ]
    const y = matmul(g, matmul(g, q, k, { transB: true, alpha: 0.5 }), v)
    const c = g.input('c', 'f32', [1, product(4, tokens)])
    const loss = reshape(g, linear(g, reshape(g, y, [1, product(4, tokens)]), c), [])
    return runOnce(g, inputs, Object.fromEntries([...gradients(g, loss, biases)].map(([n, t]) => [`d ${n}`, t])), {
      tokens: 3,
    })
  }

  it('have the gradients of a fixed number', async () => {
    const [dynamic, fixed] = [await of('tokens'), await of(3)]
    expect(Object.keys(dynamic)).toEqual(['d q bias', 'd k bias', 'd v bias'])
    for (const [name, { data }] of Object.entries(fixed))
      for (const [i, x] of [...data].entries()) expect(Number(dynamic[name]?.data[i]), name).toBeCloseTo(Number(x), 5)
  })
})

describe('the padding row of an embedding', () => {
  it('gets no gradient', async () => {
    const g = new Graph('padding')
    const t = g.trainable('t', [4, 2])
    const l = reshape(g, mean(g, mean(g, embedding(g, t, g.input('i', 'i64', [2]), 2), 0), 0), [])
    const d = gradients(g, l, [t]).get('t')!
    const inputs = { t: { dtype: 'f32', shape: [4, 2], data: new Float32Array(8) }, i: ids(2, 3) } as const
    const r = await runOnce(g, inputs, { d })
    expect(Array.from((r.d as HostTensor<'f32'>).data)).toEqual([0, 0, 0, 0, 0, 0, 0.25, 0.25])
  })
})

describe('mistakes name the operation and the shapes', () => {
  it('linear with a weight that does not fit', () => {
    const g = new Graph('wrong')
    expect(() => linear(g, g.input('x', 'f32', ['rows', 4]), g.trainable('w', [5, 3]))).toThrow(
      'linear of [rows, 4] [5, 3]: expected a weight of [out, 4], got [5, 3]',
    )
  })
  it('an ONNX Runtime error is one line', async () => {
    const g = new Graph('wrong')
    const x = g.input('x', 'f32', [2])
    await expect(runOnce(g, { x: { dtype: 'f32', shape: [3], data: new Float32Array(3) } }, { y: silu(g, x) })).rejects.toThrow(
      /^engine: RunWithBinding failed: [^\n]*$/,
    )
  })
})

afterAll(() => expect(liveHandles(), 'native handles alive after every dispose').toEqual({ total: 0, byKind: {} }))
