/**
 * The physical limits beside a speed: how many multiply-adds a training step needs, how fast this machine multiplies large
 * float32 matrices, and how fast it reads memory, which bounds decoding. A speed near them cannot be improved by better code.
 */
import { Graph, linear, matmul, Session, Value } from '../src/engine/index.js'
import type { ModelConfig } from '../src/model/config.js'
import { imageTokens } from '../src/model/image-rows.js'
import type { TrainInputs } from './train-inputs.js'

/** Floating-point operations of matrix products in one step; the backward pass is two forward passes. */
export function stepFlops({ config, batch, specs }: TrainInputs): number {
  const rows = batch.rows * batch.length
  const labelled = batch.labels.reduce((n, id) => n + Number(id >= 0), 0)
  const products = specs
    .filter((s) => s.role === 'linear' || s.role === 'low-rank-a' || s.role === 'low-rank-b')
    .reduce((sum, { layer, part, shape: [out = 0, inputs = 0] }) => {
      if (part === 'vision' || part === 'projector')
        return sum + (part === 'projector' ? out * inputs * batch.images * imageTokens(config) : 0)
      return sum + out * inputs * (layer === undefined ? labelled : part === 'adapter' ? batch.imagePositions.length : rows)
    }, 0)
  const { layers, hiddenSize } = config.decoder
  const attention = 2 * layers * batch.rows * batch.length ** 2 * hiddenSize
  return 3 * 2 * (products + attention + visionProducts(config, batch.images))
}

/** Multiply-adds of the vision tower's forward pass. */
function visionProducts({ vision: v }: ModelConfig, images: number): number {
  if (!v) return 0
  const tokens = v.patches + 1
  const block = tokens * (4 * v.hiddenSize ** 2 + 2 * v.hiddenSize * v.intermediateSize) + 2 * tokens ** 2 * v.hiddenSize
  let front = v.stem ? 0 : v.patches * 3 * v.patchSize ** 2 * v.hiddenSize
  let [side, channels] = [v.imageSize, 3]
  for (const layer of v.stem ?? []) {
    side /= layer.stride
    front += side ** 2 * 9 * channels * layer.channels
    channels = layer.channels
  }
  return images * (front + v.layers * block)
}

/** Best rate of a large float32 product, in GFLOP/s. */
export async function productRate(threads: number): Promise<number> {
  const n = 1024
  const g = new Graph('limit')
  g.output('y', linear(g, g.input('x', 'f32', [n, n]), g.input('w', 'f32', [n, n])))
  const session = new Session(g, new Map(), { threads })
  const [x, w, y] = [Value.zeros('f32', [n, n]), Value.zeros('f32', [n, n]), Value.zeros('f32', [n, n])]
  return (2 * n ** 3) / (await bestMs(session, x, w, y)) / 1e6
}

/** Bytes of the matrix that readRate reads: far beyond every cache. */
const READ_BYTES = 2 ** 30

/** Best rate at which this machine reads memory, in GB/s: one row times a float32 matrix, which does nothing but read it. */
export async function readRate(threads: number): Promise<number> {
  const [inputs, outputs] = [2 ** 14, READ_BYTES / 4 / 2 ** 14]
  const g = new Graph('read')
  g.output('y', matmul(g, g.input('x', 'f32', [1, 1, inputs]), g.input('w', 'f32', [1, inputs, outputs])))
  const session = new Session(g, new Map(), { threads })
  const [x, w, y] = [
    Value.zeros('f32', [1, 1, inputs]),
    Value.zeros('f32', [1, inputs, outputs]),
    Value.zeros('f32', [1, 1, outputs]),
  ]
  // Pages that nobody has written may all be one.
  w.data.fill(1)
  return READ_BYTES / (await bestMs(session, x, w, y)) / 1e6
}

/** The shortest of ten runs of y = x w; disposes all of it. */
async function bestMs(session: Session, x: Value, w: Value, y: Value): Promise<number> {
  try {
    let best = Number.POSITIVE_INFINITY
    for (let run = 0; run < 10; run++) {
      const start = performance.now()
      await session.run({ inputs: { x, w }, outputs: { y } })
      best = Math.min(best, performance.now() - start)
    }
    return best
  } finally {
    session.dispose()
    for (const value of [x, w, y]) value.dispose()
  }
}
