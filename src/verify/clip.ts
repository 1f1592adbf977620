/** goldens/clip: the vision tower's states and features, resized position tables, activations (SPEC 5). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openModelDirectory } from '../checkpoint/model-directory.js'
import { readTensor } from '../checkpoint/tensors.js'
import { fullAttention, Graph, gelu, quickGelu, runOnce, silu, type Tensor } from '../engine/index.js'
import { parseModelConfig } from '../model/config.js'
import { resizePositions } from '../model/vision/position-resize.js'
import { gatheredConvolution, visionTower } from '../model/vision/tower.js'
import { floatWeights } from '../model/weights.js'
import type { CaseResult, GoldenCheck } from './check.js'
import { difference, type GoldenTensors, goldenTensors } from './compare.js'

function compared(name: string, got: ArrayLike<number>, wanted: ArrayLike<number>, absolute: number): CaseResult {
  const d = difference(got, wanted, absolute, 0)
  return { name, passed: d.ratio <= 1, largestError: d.largest }
}

async function* tower(dir: string): AsyncGenerator<CaseResult> {
  const directory = openModelDirectory(join(dir, 'checkpoint'))
  const file = join(dir, 'checkpoint', 'config.json')
  const config = parseModelConfig({ vision_config: JSON.parse(readFileSync(file, 'utf8')) }, file).vision
  if (!config) throw new RangeError('the clip golden has no vision configuration')
  const golden = goldenTensors(join(dir, 'case.safetensors'))
  const images = golden.shape('pixel_values')[0] as number
  const entries = [...directory.tensors.values()]
  const g = new Graph('clip')
  const pixels = g.input('pixels', 'f32', ['images', 3, config.imageSize, config.imageSize])
  const outputs: Record<string, Tensor> = {}
  const w = floatWeights(new Map(entries.map((e) => [e.name, e.shape])))
  // Training's form and inference's: the same numbers are expected of both.
  for (const [form, options] of [
    ['', {}],
    ['fused ', { attend: fullAttention, convolve: gatheredConvolution }],
  ] as const) {
    const onHidden = (i: number, state: Tensor) => {
      outputs[`${form}hidden_states.${i}`] = state
    }
    outputs[`${form}features`] = visionTower(g, w, config, pixels, { ...options, onHidden })
  }
  const inputs = Object.fromEntries(entries.map((e) => [e.name, { dtype: 'f32' as const, shape: e.shape, data: readTensor(e) }]))
  const shape = golden.shape('pixel_values')
  const result = await runOnce(g, { ...inputs, pixels: { dtype: 'f32', shape, data: golden.floats('pixel_values') } }, outputs, {
    images,
  })
  for (const name of Object.keys(outputs)) {
    yield compared(name, result[name]?.data as Float32Array, golden.floats(name.replace('fused ', '')), 1e-4)
  }
}

async function* activations(dir: string): AsyncGenerator<CaseResult> {
  const golden = goldenTensors(join(dir, 'activations.safetensors'))
  const shape = golden.shape('x')
  for (const [name, activation] of Object.entries({ quick_gelu: quickGelu, gelu_erf: gelu, silu })) {
    const g = new Graph(name)
    const y = activation(g, g.input('x', 'f32', shape))
    const result = await runOnce(g, { x: { dtype: 'f32', shape, data: golden.floats('x') } }, { y })
    yield compared(`activation ${name}`, result.y?.data as Float32Array, golden.floats(name), 1e-6)
  }
}

function* positions(golden: GoldenTensors): Generator<CaseResult> {
  for (const name of golden.names) {
    const sizes = /^(\d+)to(\d+)\.in$/.exec(name)
    if (!sizes) continue
    const [from, to, width] = [Number(sizes[1]), Number(sizes[2]), golden.shape(name)[1] as number]
    for (const [suffix, viaHalf] of [
      ['out_f32', false],
      ['out_via_f16', true],
    ] as const) {
      const wanted = golden.floats(`${from}to${to}.${suffix}`)
      yield compared(
        `positions ${from} to ${to} ${suffix}`,
        resizePositions(golden.floats(name), from, to, width, viaHalf),
        wanted,
        viaHalf ? 2e-3 : 1e-4,
      )
    }
  }
}

/** Tower, activations, position tables. Rounding through float16 can fall to the other side of a tie: 1 ulp is allowed. */
export const check: GoldenCheck = {
  folder: 'clip',
  async *run(dir) {
    yield* tower(dir)
    yield* activations(dir)
    yield* positions(goldenTensors(join(dir, 'pos_interp.safetensors')))
  },
}
