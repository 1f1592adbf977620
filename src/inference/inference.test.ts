/** Properties of inference that hold for any weights. */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { smallConfig, writeRandomModel } from '../../tests/support/random-model.js'
import { largestDifference } from '../../tests/support/small-decoder.js'
import { openModelDirectory } from '../checkpoint/model-directory.js'
import { writeSafetensors } from '../checkpoint/safetensors.js'
import { readTensor } from '../checkpoint/tensors.js'
import { InputError } from '../common/errors.js'
import { normals } from '../common/normal-numbers.js'
import { Graph, liveHandles, quantizedLinear, runOnce } from '../engine/index.js'
import { dequantizeRows } from '../model/block-format.js'
import { parseModelConfig } from '../model/config.js'
import { openModel } from '../model/open-checkpoint.js'
import { quantizeBlocks } from '../quantize/blocks.js'
import { quantizeModel } from '../quantize/quantize-model.js'
import { DecoderRuntime } from './decoder-runtime.js'
import { XComposer } from './xcomposer.js'

const dirs: string[] = []
const fresh = (...args: Parameters<typeof writeRandomModel>) => {
  const dir = writeRandomModel(...args)
  dirs.push(dir)
  return dir
}
const ids = (n: number) => Array.from({ length: n }, (_, i) => 3 + ((i * 37) % 190))

async function textLogits(dir: string, n = 40): Promise<Float32Array> {
  const model = new DecoderRuntime(openModel(dir), { threads: 1 })
  const sequence = model.sequence()
  try {
    await sequence.append(ids(n))
    return Float32Array.from(await sequence.append([7]))
  } finally {
    sequence.dispose()
    model.dispose()
  }
}

/** Logits after 10 ids, 4 image rows and 5 ids. */
async function imageLogits(dir: string): Promise<Float32Array> {
  const model = new DecoderRuntime(openModel(dir), { threads: 1 })
  const sequence = model.sequence()
  try {
    return Float32Array.from(await sequence.appendRows(model.store.embed(ids(19)), 19, [10, 11, 12, 13]))
  } finally {
    sequence.dispose()
    model.dispose()
  }
}

const correlation = (a: Float32Array, b: Float32Array) => {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((s, v, i) => s + v * (y[i] as number), 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

describe('PLoRA', () => {
  it('leaves text alone to the bit: the logits of text are those of any other PLoRA weights', async () => {
    const [a, b] = [fresh(), fresh(smallConfig, 1, /Plora/)]
    expect(Buffer.from((await textLogits(a)).buffer).equals(Buffer.from((await textLogits(b)).buffer))).toBe(true)
  })
  it('acts on image rows', async () => {
    const [a, b] = [fresh(), fresh(smallConfig, 1, /Plora/)]
    expect(largestDifference(await imageLogits(a), await imageLogits(b))).toBeGreaterThan(1e-3)
  })
})

describe('the KV cache', () => {
  it('a prompt in chunks, a prompt in one pass and a prompt id by id agree', async () => {
    const model = new DecoderRuntime(openModel(fresh()), { threads: 1 })
    const sequences = [model.sequence(), model.sequence(), model.sequence()] as const
    const prompt = ids(700)
    const image = [5, 6, 7, 8, 510, 511, 512, 513]
    try {
      const rows = model.store.embed(prompt)
      const chunked = await sequences[0].appendRows(rows, 700, image)
      const whole = await model.sessions.run(
        { embeddings: rows, tokens: 700, imageColumns: image, logitColumns: [699] },
        sequences[1].cache,
      )
      let single: Float32Array = new Float32Array(0)
      for (let i = 0; i < 700; i++)
        single = await sequences[2].appendRows(rows.subarray(i * 64, (i + 1) * 64), 1, image.includes(i) ? [0] : [])
      expect(largestDifference(chunked, whole.logits)).toBeLessThan(1e-4)
      expect(largestDifference(single, whole.logits)).toBeLessThan(1e-4)
    } finally {
      for (const s of sequences) s.dispose()
      model.dispose()
    }
  })
  it('logits of any rows are the same whether the last block is done for these alone or for all', async () => {
    const model = new DecoderRuntime(openModel(fresh()), { threads: 1 })
    const prompt = ids(60)
    const imageColumns = [20, 21, 22, 23, 24]
    const step = { embeddings: model.store.embed(prompt), tokens: 60, imageColumns, logitColumns: [59, 3, 22, 40, 24] }
    const sequences = [model.sequence(), model.sequence()] as const
    try {
      const these = await model.sessions.run(step, sequences[0].cache)
      const all = await model.sessions.run({ ...step, hidden: true }, sequences[1].cache)
      expect(all.logits.some((x) => Math.abs(x) > 1)).toBe(true)
      expect(largestDifference(these.logits, all.logits)).toBeLessThan(1e-4)
    } finally {
      for (const s of sequences) s.dispose()
      model.dispose()
    }
  })
  it('refuses a prompt beyond the context in one line', async () => {
    const model = new DecoderRuntime(openModel(fresh()), { threads: 1 })
    const sequence = model.sequence(16)
    await expect(sequence.append(ids(17))).rejects.toThrow('the sequence would have 17 positions')
    sequence.dispose()
    model.dispose()
  })
})

describe('quantised weights', () => {
  it.each([
    [4, 32],
    [4, 128],
    [8, 32],
    [8, 64],
  ] as const)('%i bits in blocks of %i: the engine multiplies by what dequantising gives', async (bits, blockSize) => {
    const format = { bits, blockSize }
    const [out, inputs, rows] = [24, 96, 5]
    const next = normals(bits * blockSize)
    const weight = Float32Array.from({ length: out * inputs }, next)
    const blocks = quantizeBlocks(weight, out, inputs, format)
    const count = Math.ceil(inputs / blockSize)
    const g = new Graph('blocks')
    const values = g.weight('values', 'u8', [out, count, (blockSize * bits) / 8], true)
    const y = quantizedLinear(
      g,
      g.input('x', 'f32', [rows, inputs]),
      values,
      g.weight('scales', 'f32', [out * count], true),
      format,
    )
    const x = Float32Array.from({ length: rows * inputs }, next)
    const result = await runOnce(
      g,
      {
        x: { dtype: 'f32', shape: [rows, inputs], data: x },
        values: { dtype: 'u8', shape: values.shape as number[], data: blocks.values },
        scales: { dtype: 'f32', shape: [out * count], data: blocks.scales },
      },
      { y },
    )
    const restored = dequantizeRows(blocks, 0, out, inputs, format)
    const wanted = Float32Array.from({ length: rows * out }, (_, i) => {
      let sum = 0
      for (let k = 0; k < inputs; k++)
        sum += (x[Math.floor(i / out) * inputs + k] as number) * (restored[(i % out) * inputs + k] as number)
      return sum
    })
    expect(correlation(result.y?.data as Float32Array, wanted)).toBeGreaterThan(0.9995)
    expect(correlation(restored, weight)).toBeGreaterThan(bits === 8 ? 0.9999 : 0.99)
  })
  it('a model in 8 bits gives nearly the logits of its float32', async () => {
    const dir = fresh()
    const out = `${dir}-q8`
    dirs.push(out)
    for (const { relativeError } of (await quantizeModel(dir, out, { bits: 8, blockSize: 32 })).parts)
      expect(relativeError).toBeLessThan(0.01)
    // Random weights amplify every rounding far more than trained ones do.
    expect(correlation(await textLogits(dir), await textLogits(out))).toBeGreaterThan(0.98)
    expect(correlation(await imageLogits(dir), await imageLogits(out))).toBeGreaterThan(0.98)
  })
})

describe('a model in 4 bits', () => {
  const quantised = async () => {
    const dir = fresh()
    const out = `${dir}-q4`
    dirs.push(out)
    return { dir, out, report: await quantizeModel(dir, out, { bits: 4, blockSize: 32 }) }
  }
  it('keeps PLoRA, tower and projector in 8, and answers close to its float32', async () => {
    const { dir, out, report } = await quantised()
    expect(report.parts.map(({ part, bits }) => [part, bits])).toEqual([
      ['decoder', 4],
      ['adapter', 8],
      ['vision', 8],
      ['projector', 8],
    ])
    expect(correlation(await imageLogits(dir), await imageLogits(out))).toBeGreaterThan(0.8)
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain('| decoder |')
  })
  it.each([
    ['another block size', { method: 'blocks', bits: 4, block_size: 64 }, /expected U8 \[.*in blocks of 64/],
    ['no blocks at all', null, /stored in blocks, but config.json has no quantization_config/],
  ])('is refused where its configuration says %s', async (_, quantization, message) => {
    const { out } = await quantised()
    const file = join(out, 'config.json')
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), quantization_config: quantization }))
    expect(() => openModel(out)).toThrow(message)
  })
})

describe('a model directory that is not right', () => {
  it('names the tensor, what was expected and what was found', () => {
    const dir = fresh()
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...smallConfig, intermediate_size: 128 }))
    const tensor = 'tensor "model.layers.0.feed_forward.w1.weight"'
    expect(() => openModel(dir)).toThrow(
      `${join(dir, 'model.safetensors')}: ${tensor}: expected [128, 64] from config.json, got [96, 64]`,
    )
  })
  it('is refused in one line where its tensors claim an absurd tower', () => {
    const vision = { hidden_size: 64, num_hidden_layers: 201, num_attention_heads: 1, image_size: 28, patch_size: 14 }
    expect(() => parseModelConfig({}, 'config.json', { vision })).toThrow(
      new InputError(
        'config.json: has no vision_config; read from the tensors "num_hidden_layers": expected number to be <=200, got 201',
      ),
    )
  })
  it('is loaded with a word of warning where it names code, or holds NaN', async () => {
    const config = { ...smallConfig, vocab_size: 6000, auto_map: { AutoModel: 'modeling.Model' } }
    const dir = fresh(config)
    copyFileSync(new URL('../../models/nano/tokenizer.model', import.meta.url), join(dir, 'tokenizer.model'))
    const values = [...openModelDirectory(dir).tensors.values()].map((entry) => ({
      name: entry.name,
      shape: entry.shape,
      dtype: 'F32' as const,
      data: readTensor(entry),
    }))
    values.find(({ name }) => name === 'model.norm.weight')?.data.fill(Number.NaN, 3, 4)
    writeSafetensors(join(dir, 'model.safetensors'), values)
    const lines: string[] = []
    const model = await XComposer.load(dir, { threads: 1, onNotice: (line) => lines.push(line) })
    await model.prepare()
    model.dispose()
    expect(lines).toEqual([
      `${dir}: config.json names code to run (auto_map); it is ignored`,
      expect.stringMatching(/model.safetensors: tensor "model.norm.weight" holds NaN; /),
    ])
  })
  it('a missing directory is one line', async () => {
    await expect(XComposer.load('/nowhere/at/all')).rejects.toThrow('/nowhere/at/all: no such model directory')
  })
})

afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
  expect(liveHandles().byKind).toEqual({})
})
