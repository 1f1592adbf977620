import { afterAll, expect, it } from 'vitest'
import { gradients } from '../graph/autodiff.js'
import { product } from '../graph/dims.js'
import { Graph } from '../graph/graph.js'
import type { Tensor } from '../graph/operation.js'
import { liveHandles } from '../runtime/handles.js'
import { type HostTensor, runOnce } from '../runtime/run-once.js'
import { convolution } from './convolution.js'
import { linear } from './products.js'
import { convolutionIndex, gatherPixels, reshape } from './shape.js'

afterAll(() => expect(liveHandles().total).toBe(0))

const wave = (shape: readonly number[], speed: number) => ({
  dtype: 'f32' as const,
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(speed * (i + 1))),
})

/** Output of 5 -> 7 channels and the gradients of its sum with fixed factors. */
async function results(images: number, side: number, form: (g: Graph, x: Tensor, w: Tensor) => Tensor) {
  const g = new Graph('convolution')
  const x = g.trainable('x', [images, side * side, 5])
  const w = g.trainable('w', [7, 45])
  const y = form(g, x, w)
  const flat = product(...y.shape)
  const loss = linear(g, reshape(g, y, [1, flat]), g.input('factors', 'f32', [1, flat]))
  const d = gradients(g, reshape(g, loss, []), [x, w])
  const inputs = {
    x: wave([images, side * side, 5], 0.7),
    w: wave([7, 45], 1.3),
    factors: wave([1, images * side * side * 7], 2.1),
  }
  return runOnce(g, inputs, { y, dx: d.get('x') as Tensor, dw: d.get('w') as Tensor })
}

function expectClose(a: HostTensor | undefined, b: HostTensor | undefined): void {
  const [x, y] = [a, b].map((t) => Array.from(t?.data as Float32Array)) as [number[], number[]]
  const largest = Math.max(...y.map(Math.abs))
  expect(largest).toBeGreaterThan(0)
  expect(x.length).toBe(y.length)
  expect(Math.max(...x.map((v, i) => Math.abs(v - (y[i] as number))))).toBeLessThan(3e-5 * largest)
}

it.each([4, 8, 12])(
  'blocks of an image of side %i give what a product over gathered pixels gives, and its gradients',
  async (side) => {
    const blocks = await results(3, side, convolution)
    const gathered = await results(3, side, (g, x, w) => linear(g, gatherPixels(g, x, convolutionIndex(side, 3, 1)), w))
    for (const name of ['y', 'dx', 'dw']) expectClose(blocks[name], gathered[name])
  },
)

it('an image that cannot be cut into blocks is refused', () => {
  const g = new Graph('odd')
  expect(() => convolution(g, g.input('x', 'f32', ['images', 36, 5]), g.input('w', 'f32', [7, 45]))).toThrow(
    'convolution of [images, 36, 5]: expected square images whose side is a multiple of 4, got 36 pixels',
  )
})
