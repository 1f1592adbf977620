/** Every adapter and projector of the tables: gradients, one network for training and inference, quantising; and what each promises. */
import { rmSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { smallConfig, writeRandomModel } from '../../tests/support/random-model.js'
import { InputError } from '../common/errors.js'
import { normals } from '../common/normal-numbers.js'
import { Graph, gradients, linear, liveHandles, reshape, runOnce, type Tensor } from '../engine/index.js'
import { tileLayout, tilePixels, tileStack } from '../image/tiles.js'
import { DecoderRuntime } from '../inference/decoder-runtime.js'
import { VisionRuntime } from '../inference/vision-runtime.js'
import { quantizeModel } from '../quantize/quantize-model.js'
import { nextToken } from '../train/objectives/next-token.js'
import { TrainingGraph } from '../train/training-graph.js'
import { markRows } from './adapter/adapter.js'
import { type AdapterType, adapterOf, adapters } from './adapter/table.js'
import { parseModelConfig } from './config.js'
import { imageTokens } from './image-rows.js'
import { initialValues } from './initial-values.js'
import { openModel, readParameter } from './open-checkpoint.js'
import { type ParameterSpec, parameterCount } from './parameter-spec.js'
import { modelParameters } from './parameters.js'
import { poolMatrix } from './projector/avg-pool.js'
import { type ProjectorType, projectorOf, projectors } from './projector/table.js'
import { plainAttention } from './vision/attention.js'
import { floatWeights, type Weights } from './weights.js'

/** A setting of every adapter and projector: a new one is asked for its own here. */
const adapterJson: Record<AdapterType, object> = {
  none: { type: 'none' },
  plora: { type: 'plora', rank: 4, alpha: 6, rank_wqkv: 2 },
  lora: { type: 'lora', rank: 4, alpha: 6 },
  expert: { type: 'expert' },
}
const projectorJson: Record<ProjectorType, object> = {
  mlp: { type: 'mlp' },
  'avg-pool': { type: 'avg-pool', tokens: 9 },
  'merge-2x2': { type: 'merge-2x2' },
  'q-former': { type: 'q-former', queries: 3, layers: 2, heads: 2 },
}
const adapterTypes = Object.keys(adapterJson) as AdapterType[]
const projectorTypes = Object.keys(projectorJson) as ProjectorType[]

const dirs: string[] = []
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
  expect(liveHandles().byKind).toEqual({})
})

const noise = (length: number, seed: number) => Float32Array.from({ length }, normals(seed))

/** Gradients of sum(c y) against central differences, along one random direction for each tensor. */
async function checkGradients(
  specs: readonly Pick<ParameterSpec, 'name' | 'shape'>[],
  size: number,
  build: (g: Graph, w: Weights, tensor: (name: string) => Tensor) => Tensor,
): Promise<void> {
  const values = new Map(specs.map((s, i) => [s.name, noise(parameterCount(s), i + 1).map((x) => x / 2)]))
  const w = floatWeights(new Map(specs.map((s) => [s.name, s.shape])), () => true)
  const graph = () => {
    const g = new Graph('choice')
    const y = build(g, w, (name) => w.tensor(g, name))
    const weights = g.constant('f32', [1, size], noise(size, 99))
    return { g, loss: reshape(g, linear(g, reshape(g, y, [1, size]), weights), []) }
  }
  const inputs = (changed?: string, by?: Float32Array) =>
    Object.fromEntries(
      specs.map(({ name, shape }) => {
        const data = values.get(name) as Float32Array
        return [
          name,
          { dtype: 'f32' as const, shape, data: changed === name && by ? data.map((x, i) => x + (by[i] as number)) : data },
        ]
      }),
    )
  const { g, loss } = graph()
  const found = gradients(
    g,
    loss,
    specs.map(({ name }) => w.tensor(g, name)),
  )
  const analytic = await runOnce(g, inputs(), Object.fromEntries([...found].map(([name, t]) => [`d ${name}`, t])))
  for (const spec of specs) {
    const direction = noise(parameterCount(spec), 1000).map((x) => x / Math.sqrt(parameterCount(spec)))
    const at = async (step: number) => {
      const forward = graph()
      const moved = inputs(
        spec.name,
        direction.map((x) => x * step),
      )
      const { loss: value } = await runOnce(forward.g, moved, { loss: forward.loss })
      return Number(value?.data[0])
    }
    const numeric = ((await at(0.01)) - (await at(-0.01))) / 0.02
    const own = analytic[`d ${spec.name}`]?.data as Float32Array
    expect(own, `${spec.name} has a gradient`).toBeDefined()
    const got = own.reduce((sum, x, i) => sum + x * (direction[i] as number), 0)
    expect(Math.abs(numeric - got), `${spec.name}: ${numeric} against ${got}`).toBeLessThan(3e-3 + 5e-3 * Math.abs(numeric))
  }
}

describe('gradients agree with central differences', () => {
  it.each(adapterTypes)('of the adapter %s', async (type) => {
    const linearLayer = { name: 'l', layer: 0, outputs: 6, inputs: 5, bias: true, packed: false }
    const c = adapters[type].schema.parse(adapterJson[type])
    const adapter = adapterOf(c)
    const base = [
      { name: 'x', shape: [2, 3, 5] },
      { name: 'l.weight', shape: [6, 5] },
      { name: 'l.bias', shape: [6] },
    ]
    await checkGradients([...base, ...adapter.parameters(linearLayer)], 36, (g, w, tensor) => {
      const index = g.constant('i64', [3, 2], [0, 1, 1, 0, 1, 2])
      return adapter.apply(g, w, markRows(g, tensor('x'), adapter.rows === 'image' ? index : undefined), linearLayer)
    })
  })

  it.each(projectorTypes)('of the projector %s', async (type) => {
    const sizes = { grid: 4, features: 6, hidden: 8 }
    const projector = projectorOf(projectors[type].schema.parse(projectorJson[type]), sizes)
    const specs = [{ name: 'features', shape: [2, 16, 6] }, ...projector.parameters()]
    await checkGradients(specs, 2 * projector.imageTokens * 8, (g, w, tensor) =>
      projector.build(g, w, tensor('features'), plainAttention),
    )
  })
})

const tiledConfig = { ...smallConfig, hd: true }
const models: [string, object][] = [
  ...adapterTypes.map((type): [string, object] => [`the adapter ${type}`, { ...smallConfig, adapter: adapterJson[type] }]),
  ...projectorTypes.map((type): [string, object] => [
    `the projector ${type}`,
    { ...smallConfig, projector: projectorJson[type] },
  ]),
  ['tiles', tiledConfig],
]

const fresh = (config: object) => {
  const dir = writeRandomModel(config)
  dirs.push(dir)
  return dir
}
const BEFORE = [1, 20, 21]
const AFTER = [40, 41, 42, 43, 44]

/** An image for a model: its rows' number, and its pixels as the tower takes them. */
function image(dir: string) {
  const { config } = openModel(dir)
  const side = config.vision?.imageSize ?? 0
  if (!config.vision?.tiled) return { tokens: imageTokens(config), pixels: noise(3 * side * side, 5), side }
  const picture = { width: 40, height: 24, data: Uint8Array.from(noise(40 * 24 * 3, 6), (x) => 128 + 40 * x) }
  const tiled = tilePixels(picture, tileLayout(40, 24, 3, side))
  return { tokens: imageTokens(config, tiled), pixels: tileStack(tiled, side), side, tiled }
}

/** Logits of a question about an image, at every position. */
async function answer(dir: string): Promise<Float32Array> {
  const model = new DecoderRuntime(openModel(dir), { threads: 1 })
  const vision = new VisionRuntime(model.config, model.store, { threads: 1 })
  const sequence = model.sequence()
  try {
    const { pixels, tokens, tiled } = image(dir)
    const rows = tiled ? await vision.encodeTiled(tiled) : await vision.encode(pixels, 1)
    expect(rows.length).toBe(tokens * model.config.decoder.hiddenSize)
    const [before, after] = [model.store.embed(BEFORE), model.store.embed(AFTER)]
    const embeddings = Float32Array.from([...before, ...rows, ...after])
    const total = BEFORE.length + tokens + AFTER.length
    const all = Array.from({ length: total }, (_, i) => i)
    const imageColumns = all.slice(BEFORE.length, BEFORE.length + tokens)
    return (await model.sessions.run({ embeddings, tokens: total, imageColumns, logitColumns: all }, sequence.cache)).logits
  } finally {
    sequence.dispose()
    vision.dispose()
    await model.dispose()
  }
}

/** Loss of the ids behind an image, the first of which its last row predicts, and tensors without gradients, as training computes them. */
async function trainingLoss(dir: string): Promise<{ loss: number; still: string[] }> {
  const { config, specs, ...checkpoint } = openModel(dir)
  const initial = new Map(specs.map((s) => [s.name, readParameter({ config, specs, ...checkpoint }, s.name)]))
  const graph = new TrainingGraph(config, specs, initial, () => true, nextToken(), { threads: 1 })
  try {
    const { tokens, pixels, tiled } = image(dir)
    const filled = BEFORE.length + tokens + AFTER.length
    const length = Math.ceil(filled / 8) * 8
    const padding = new Array<number>(length - filled).fill(config.decoder.padId)
    const places = Int32Array.from({ length: tokens }, (_, i) => BEFORE.length + i)
    const ids = Int32Array.from([...BEFORE, ...new Array<number>(tokens).fill(config.decoder.padId), ...AFTER, ...padding])
    const labels = ids.map((id, i) => (i >= filled - AFTER.length && i < filled ? id : -100))
    const tiles = tiled ? { tiles: { grids: [tiled], tokens: [tokens] } } : {}
    const { loss } = await graph.step({ rows: 1, length, ids, labels, imagePositions: places, pixels, images: 1, ...tiles })
    const { parameters } = graph
    const still = parameters.tensors.filter((t) => parameters.view(parameters.gradients, t).every((x) => x === 0))
    return { loss, still: still.map(({ name }) => name) }
  } finally {
    graph.dispose()
  }
}

describe.each(models)('a model with %s', (_, config) => {
  const dir = fresh(config)

  it('gives in training the loss that its answers have, and every tensor a gradient', async () => {
    const logits = await answer(dir)
    const width = smallConfig.vocab_size
    const first = logits.length / width - AFTER.length - 1
    const expected = AFTER.reduce((sum, id, i) => {
      const row = logits.subarray((first + i) * width, (first + i + 1) * width)
      const most = Math.max(...row)
      return sum + Math.log(row.reduce((s, x) => s + Math.exp(x - most), 0)) + most - (row[id] as number)
    }, 0)
    const { loss, still } = await trainingLoss(dir)
    expect(Math.abs(loss - expected) / expected).toBeLessThan(1e-4)
    expect(still).toEqual([])
  })

  it('answers in 8 bits nearly as in float32', async () => {
    const out = `${dir}-q8`
    dirs.push(out)
    await quantizeModel(dir, out, { bits: 8, blockSize: 32 })
    const [a, b] = [await answer(dir), await answer(out)]
    const dot = (x: Float32Array, y: Float32Array) => x.reduce((s, v, i) => s + v * (y[i] as number), 0)
    expect(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))).toBeGreaterThan(0.97)
  })
})

describe('adapters', () => {
  const textLogits = async (dir: string) => {
    const model = new DecoderRuntime(openModel(dir), { threads: 1 })
    const sequence = model.sequence()
    try {
      return Float32Array.from(await sequence.append([1, 5, 9, 30, 31]))
    } finally {
      sequence.dispose()
      await model.dispose()
    }
  }
  const bytes = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength)

  it.each(adapterTypes)('%s leaves text alone to the bit where it is for image rows only, and acts on images', async (type) => {
    const [plain, adapted] = [
      fresh({ ...smallConfig, adapter: { type: 'none' } }),
      fresh({ ...smallConfig, adapter: adapterJson[type] }),
    ]
    const same = bytes(await textLogits(plain)).equals(bytes(await textLogits(adapted)))
    expect(same).toBe(adapters[type].rows !== 'all')
    expect(bytes(await answer(plain)).equals(bytes(await answer(adapted)))).toBe(type === 'none')
  })

  it('an expert starts with the values of the base layers', () => {
    const specs = modelParameters(parseModelConfig({ ...smallConfig, adapter: { type: 'expert' }, bias: true }, 'config.json'))
    const byName = new Map(specs.map((s) => [s.name, s]))
    const experts = specs.filter((s) => s.startsAs !== undefined)
    expect(experts).toHaveLength(2 * (5 + 2))
    for (const spec of experts) {
      const base = byName.get(spec.startsAs as string) as ParameterSpec
      expect(initialValues(spec, 3, 'zero_b')).toEqual(initialValues(base, 3, 'zero_b'))
    }
  })

  it('of the releases are read from config.json as it is', () => {
    const { decoder } = parseModelConfig({}, 'config.json')
    expect(decoder.adapter).toEqual({ type: 'plora', wqkv: { rank: 256, scale: 1 }, others: { rank: 256, scale: 1 } })
  })
})

describe('pooling', () => {
  it.each([
    [4, 2],
    [5, 3],
    [7, 4],
    [3, 3],
  ])('from %i to %i averages each cell over its patches', (grid, side) => {
    const matrix = poolMatrix(grid, side)
    const width = grid * grid
    for (let cell = 0; cell < side * side; cell++) {
      const row = matrix.subarray(cell * width, (cell + 1) * width)
      expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6)
      // The mean of the patches' own places is the middle of the cell, where the cells divide the grid.
      const y = row.reduce((sum, share, i) => sum + share * Math.floor(i / grid), 0)
      if (grid % side === 0) expect(y).toBeCloseTo((Math.floor(cell / side) + 0.5) * (grid / side) - 0.5, 5)
    }
  })
})

describe('config.json', () => {
  it.each([
    [{ adapter: { type: 'dora' } }, 'adapter.type'],
    [{ adapter: { type: 'lora' } }, 'adapter.rank'],
    [{ adapter: { type: 'lora', rank: 0 } }, 'adapter.rank'],
    [{ adapter: { type: 'none', rank: 4 } }, 'rank'],
    [
      { projector: { type: 'q-former', queries: 4, layers: 1, heads: 5 } },
      "heads: got 5, expected a divisor of the features' width 32",
    ],
    [{ projector: { type: 'avg-pool', tokens: 5 } }, 'tokens: got 5, expected a square number of at most the 16 patches'],
    [{ projector: { type: 'merge-2x2' }, img_size: 12 }, '3 patches on a side'],
    [{ projector: { type: 'avg-pool', tokens: 4 }, hd: true }, 'are tiled (hd)'],
  ])('%j is refused by name', (change, text) => {
    const read = () => parseModelConfig({ ...smallConfig, ...change }, 'config.json')
    expect(read).toThrow(InputError)
    expect(read).toThrow(text)
  })
})
