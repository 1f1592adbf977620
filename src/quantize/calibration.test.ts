/** Calibrated rounding against what it is defined by: sums over inputs, a linear system, and the error of products. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { smallConfig, writeRandomModel } from '../../tests/support/random-model.js'
import { InputError } from '../common/errors.js'
import { normals } from '../common/normal-numbers.js'
import { type BlockFormat, liveHandles } from '../engine/index.js'
import { DecoderRuntime } from '../inference/decoder-runtime.js'
import { type Blocks, dequantizeRows } from '../model/block-format.js'
import { openModel, readParameter } from '../model/open-checkpoint.js'
import type { ParameterSpec } from '../model/parameter-spec.js'
import { quantizeBlocks } from './blocks.js'
import { CALIBRATION_WINDOW, Calibration, calibrationWindows } from './calibration.js'
import { Gptq } from './gptq.js'
import { columnFactors, type Hessian, SPAN_WIDTH, spanWidths } from './hessian.js'
import { MatrixProduct } from './matrix-product.js'
import { writeQuantized } from './quantize-model.js'
import { randomWeights } from './random-weights.js'

const dirs: string[] = []
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
  expect(liveHandles().byKind).toEqual({})
})

/** Inputs [rows, columns] that go together: a few causes behind all columns, and a little noise. */
function correlated(rows: number, columns: number, seed: number): Float32Array {
  const draw = normals(seed)
  const causes = 6
  const mixing = Float32Array.from({ length: causes * columns }, draw)
  const out = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    const strength = Array.from({ length: causes }, draw)
    for (let c = 0; c < columns; c++) {
      out[row * columns + c] = strength.reduce((s, x, k) => s + x * (mixing[k * columns + c] as number), 0.3 * draw())
    }
  }
  return out
}

/** Sums of x_i x_j over rows, for the columns of one span, in double precision. */
function moments(x: Float32Array, columns: number, first = 0, width = columns): Float64Array {
  const sum = new Float64Array(width * width)
  for (let row = 0; row < x.length / columns; row++) {
    for (let i = 0; i < width; i++) {
      const a = x[row * columns + first + i] as number
      for (let j = 0; j < width; j++) {
        sum[i * width + j] = (sum[i * width + j] as number) + a * (x[row * columns + first + j] as number)
      }
    }
  }
  return sum
}

/** Mean square of x (a - b)^T for row-major [out, columns] matrices. */
function outputError(x: Float32Array, a: Float32Array, b: Float32Array, columns: number): number {
  let sum = 0
  const [rows, out] = [x.length / columns, a.length / columns]
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < out; o++) {
      let y = 0
      for (let c = 0; c < columns; c++) {
        y += (x[r * columns + c] as number) * ((a[o * columns + c] as number) - (b[o * columns + c] as number))
      }
      sum += y * y
    }
  }
  return sum / (rows * out)
}

async function calibratedBlocks(
  moments: Hessian,
  weight: Float32Array,
  out: number,
  columns: number,
  format: BlockFormat,
): Promise<Blocks> {
  const product = new MatrixProduct()
  try {
    return await new Gptq(moments, format).quantize(weight, out, columns, product)
  } finally {
    product.dispose()
  }
}

describe('compensation', () => {
  it('moves the columns behind as the least squares of the damped moments ask for', () => {
    const n = 24
    const h = moments(correlated(200, n, 1), n)
    const mean = Array.from({ length: n }, (_, i) => h[i * n + i] as number).reduce((a, b) => a + b) / n
    const { shares } = columnFactors(Float32Array.from(h), n)
    for (let i = 0; i < n; i++) h[i * n + i] = (h[i * n + i] as number) + 0.01 * mean
    for (const column of [0, 7, 22]) {
      const moved = shares.slice(column * n, (column + 1) * n)
      expect(moved.subarray(0, column + 1).every((x) => x === 0)).toBe(true)
      moved[column] = 1
      // The gradient with regard to every later column is zero: (H d)_k = 0 with d = 1 at the column and the move behind it.
      for (let k = column + 1; k < n; k++) {
        const gradient = moved.reduce((s, d, i) => s + (h[k * n + i] as number) * d, 0)
        expect(Math.abs(gradient) / mean).toBeLessThan(1e-4)
      }
    }
  })

  it('makes the error of products smaller on inputs that were not read, across spans as well', async () => {
    const [out, columns, format] = [13, SPAN_WIDTH + 64, { bits: 4, blockSize: 128 } as const]
    const all = correlated(900, columns, 2)
    const [read, other] = [all.subarray(0, 700 * columns), all.subarray(700 * columns)]
    let first = 0
    const seen = spanWidths(columns).map((width) => {
      first += width
      return Float32Array.from(moments(read, columns, first - width, width))
    })
    const weight = Float32Array.from({ length: out * columns }, normals(3))
    const restored = (blocks: Blocks) => dequantizeRows(blocks, 0, out, columns, format)
    const plain = restored(quantizeBlocks(weight, out, columns, format))
    const calibrated = restored(await calibratedBlocks(seen, weight, out, columns, format))
    expect(outputError(other, weight, calibrated, columns)).toBeLessThan(0.3 * outputError(other, weight, plain, columns))
    // What is made good elsewhere is no longer near the weight itself.
    const square = (values: Float32Array) => weight.reduce((s, w, i) => s + (w - (values[i] as number)) ** 2, 0)
    expect(square(calibrated)).toBeGreaterThan(square(plain))
  })

  it('leaves less than rounding column by column does with the same scales', async () => {
    const [out, n, format] = [11, 160, { bits: 4, blockSize: 32 } as const]
    const h = Float32Array.from(moments(correlated(500, n, 5), n))
    const weight = Float32Array.from({ length: out * n }, normals(6))
    const made = await calibratedBlocks([h], weight, out, n, format)
    const restored = dequantizeRows(made, 0, out, n, format)
    const { shares } = columnFactors(h, n)
    const stepwise = new Float32Array(out * n)
    for (let row = 0; row < out; row++) {
      const free = Float64Array.from(weight.subarray(row * n, (row + 1) * n))
      for (let j = 0; j < n; j++) {
        const scale = made.scales[row * (n / 32) + Math.floor(j / 32)] as number
        const value = free[j] as number
        const rounded = Math.max(-8, Math.min(7, Math.round(value / scale))) * scale
        stepwise[row * n + j] = rounded
        for (let k = j + 1; k < n; k++) free[k] = (free[k] as number) - (value - rounded) * (shares[j * n + k] as number)
      }
    }
    const left = (values: Float32Array) => {
      let sum = 0
      for (let row = 0; row < out; row++) {
        const off = Float64Array.from({ length: n }, (_, j) => (values[row * n + j] as number) - (weight[row * n + j] as number))
        for (let i = 0; i < n; i++)
          for (let j = 0; j < n; j++) sum += (off[i] as number) * (h[i * n + j] as number) * (off[j] as number)
      }
      return sum
    }
    expect(left(restored)).toBeLessThan(0.95 * left(stepwise))
  })

  it('of inputs that do not go together, or were never seen, is plain rounding', async () => {
    const [out, columns, format] = [4, 64, { bits: 4, blockSize: 32 } as const]
    const weight = Float32Array.from({ length: out * columns }, normals(4))
    const identity = new Float32Array(columns * columns)
    for (let i = 0; i < columns; i++) identity[i * columns + i] = 1
    const plain = quantizeBlocks(weight, out, columns, format)
    for (const h of [identity, new Float32Array(columns * columns)]) {
      expect(await calibratedBlocks([h], weight, out, columns, format)).toEqual(plain)
    }
  })
})

describe('calibration', () => {
  const ids = (n: number) => Array.from({ length: n }, (_, i) => 3 + ((i * 37 + Math.floor(i / 50)) % 190))

  it('gives the moments of what layers read, as inference computes them', async () => {
    const dir = writeRandomModel()
    dirs.push(dir)
    const checkpoint = openModel(dir)
    const model = new DecoderRuntime(checkpoint, { threads: 1 })
    const { decoder } = checkpoint.config
    const spec = (name: string) => checkpoint.specs.find((s) => s.name === name) as ParameterSpec
    const windows = calibrationWindows(ids(6 * CALIBRATION_WINDOW), 1)
    expect(windows.length).toBe(6)
    const calibration = new Calibration(
      {
        config: checkpoint.directory.config,
        decoder,
        specs: checkpoint.specs,
        rows: ({ name, shape }, first, count) => {
          const width = shape.slice(1).reduce((a, b) => a * b, 1)
          return readParameter(checkpoint, name).slice(first * width, (first + count) * width)
        },
      },
      windows,
    )
    try {
      expect(await calibration.of(spec('model.tok_embeddings.weight'))).toBeUndefined()
      expect(await calibration.of(spec('model.layers.0.attention.wqkv.Plora_A.weight'))).toBeUndefined()
      const first = await calibration.of(spec('model.layers.0.attention.wqkv.weight'))
      expect(await calibration.of(spec('model.layers.0.feed_forward.w1.weight'))).toEqual(
        await calibration.of(spec('model.layers.0.feed_forward.w3.weight')),
      )
      const head = await calibration.of(spec('output.weight'))
      await expect(calibration.of(spec('model.layers.0.attention.wo.weight'))).rejects.toThrow('in their order')
      const h = decoder.hiddenSize
      const expected = { first: new Float64Array(h * h), head: new Float64Array(h * h) }
      const add = (to: Float64Array, rows: Float32Array) => {
        to.set(moments(rows, h).map((x, i) => x + (to[i] as number)))
      }
      for (const window of windows) {
        const sequence = model.sequence()
        const step = { embeddings: model.store.embed(window), tokens: window.length, logitColumns: [], hidden: true }
        const { hidden } = await model.sessions.run(step, sequence.cache)
        sequence.dispose()
        const weight = model.store.floats('model.layers.0.attention_norm.weight')
        const input = hidden[0] as Float32Array
        const normed = input.map((x, i) => {
          const row = input.subarray(i - (i % h), i - (i % h) + h)
          return (x / Math.sqrt(row.reduce((s, y) => s + y * y, 0) / h + decoder.normEpsilon)) * (weight[i % h] as number)
        })
        add(expected.first, normed)
        add(expected.head, hidden.at(-1) as Float32Array)
      }
      for (const [got, wanted] of [
        [first, expected.first],
        [head, expected.head],
      ] as const) {
        const largest = wanted.reduce((m, x) => Math.max(m, Math.abs(x)), 0)
        const difference = wanted.reduce((m, x, i) => Math.max(m, Math.abs(x - (got?.[0]?.[i] as number))), 0)
        expect(difference / largest).toBeLessThan(1e-4)
      }
    } finally {
      model.dispose()
    }
  })

  it('quantises a model layer by layer, and says how far it is', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'xcomposer-calibrate-'))
    dirs.push(dir)
    const weights = randomWeights(smallConfig, 'small', 1)
    const calibration = new Calibration(weights, calibrationWindows(ids(2000), 1))
    const [plain, calibrated] = [join(dir, 'plain'), join(dir, 'calibrated')]
    const format = { bits: 4, blockSize: 32 } as const
    const before = await writeQuantized(weights, plain, format)
    const written: number[] = []
    const onProgress = (done: number, total: number) => written.push(done / total)
    const after = await writeQuantized(weights, calibrated, format, { calibration, onProgress })
    expect(written).toEqual([...written].sort((a, b) => a - b))
    expect(written.length).toBeGreaterThan(weights.specs.length)
    expect(written.at(-1)).toBe(1)
    expect(after.bytes).toBe(before.bytes)
    expect(openModel(calibrated).formats).toEqual(openModel(plain).formats)
    const error = (report: typeof before) => report.parts.find(({ part }) => part === 'decoder')?.relativeError
    expect(error(after)).not.toBe(error(before))
    expect(after.parts.slice(1)).toEqual(before.parts.slice(1))
  })

  it.each([
    ['plain', false],
    ['calibrated', true],
  ])('quantising, %s, ends at an interrupt and leaves no file', async (name, calibrated) => {
    const dir = mkdtempSync(join(tmpdir(), 'xcomposer-calibrate-'))
    dirs.push(dir)
    const weights = randomWeights(smallConfig, 'small', 1)
    // As a signal of the system comes: only to code that lets the event loop turn.
    const interrupt = new AbortController()
    setImmediate(() => interrupt.abort())
    const { signal } = interrupt
    const calibration = calibrated ? new Calibration(weights, calibrationWindows(ids(2000), 1), signal) : undefined
    const out = join(dir, name)
    const work = writeQuantized(weights, out, { bits: 4, blockSize: 32 }, { calibration, signal })
    await expect(work).rejects.toThrow('aborted')
    expect(readdirSync(out)).toEqual([])
  })

  it('spreads windows over a long text, and refuses a short one', () => {
    const long = Array.from({ length: 100 * CALIBRATION_WINDOW }, (_, i) => i)
    const windows = calibrationWindows(long, -1)
    expect(windows.length).toBe(32)
    for (const window of windows) {
      expect(window.length).toBe(CALIBRATION_WINDOW)
      expect(window[0]).toBe(-1)
    }
    expect(windows.at(-1)?.[1]).toBeGreaterThan(90 * CALIBRATION_WINDOW)
    expect(() => calibrationWindows(ids(1000), 1)).toThrow(InputError)
    expect(() => calibrationWindows(ids(1000), 1)).toThrow('has 1000 tokens, expected at least 1020')
  })
})
