import { expect, it } from 'vitest'
import { Graph } from '../graph/graph.js'
import { runOnce } from '../runtime/run-once.js'
import { cacheWidth, resizeHeads } from './head-size.js'

/** What resizing x [batch, tokens, width] gives. */
async function resized(shape: readonly number[], data: readonly number[], from: number, to: number): Promise<number[]> {
  const g = new Graph('resize')
  const y = resizeHeads(g, g.input('x', 'f32', ['batch', 'tokens', shape[2] as number]), from, to)
  const [batch, tokens] = shape as [number, number]
  const x = { dtype: 'f32' as const, shape, data: Float32Array.from(data) }
  return Array.from((await runOnce(g, { x }, { y }, { batch, tokens })).y?.data as Float32Array)
}

it.each([
  [2, 16],
  [8, 16],
  [16, 16],
  [24, 32],
  [128, 128],
])('a head of %i stands in a cache of width %i', (headDim, width) => expect(cacheWidth(headDim)).toBe(width))

it('each half of a head gets its zeros behind it, and loses them again', async () => {
  const narrow = [1, 2, 3, 4, 5, 6, 7, 8]
  const wide = [1, 2, 0, 3, 4, 0, 5, 6, 0, 7, 8, 0]
  expect(await resized([1, 1, 8], narrow, 4, 6)).toEqual(wide)
  expect(await resized([2, 1, 6], wide, 6, 4)).toEqual(narrow)
})

it('heads that have the size already are left alone', () => {
  const g = new Graph('same')
  const x = g.input('x', 'f32', ['batch', 'tokens', 64])
  expect(resizeHeads(g, x, 16, 16)).toBe(x)
})
