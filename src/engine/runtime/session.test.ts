/** Sessions: providers, sharing of weights, in-place updates, and that every handle comes back. */
import { afterAll, describe, expect, it } from 'vitest'
import { XComposerError } from '../../common/errors.js'
import { Graph } from '../graph/graph.js'
import { add, scale } from '../ops/arithmetic.js'
import { linear } from '../ops/products.js'
import { liveHandles } from './handles.js'
import { Session, WeightPool } from './session.js'
import { Value } from './value.js'

describe('an execution provider that is not there', () => {
  it.each(['cuda', 'coreml', 'dml'] as const)('%s falls back to the CPU with one line', async (provider) => {
    const g = new Graph('fallback')
    g.output('y', scale(g, g.input('x', 'f32', [2]), 3))
    const lines: string[] = []
    const session = new Session(g, new Map(), { provider, onFallback: (line) => lines.push(line) })
    const [x, y] = [Value.of('f32', [2], Float32Array.of(1, 2)), Value.zeros('f32', [2])]
    await session.run({ inputs: { x }, outputs: { y } })
    expect(Array.from(y.data)).toEqual([3, 6])
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(new RegExp(`^${provider} is not available here .*; using the CPU$`))
    for (const owned of [x, y, session]) owned.dispose()
  })
})

describe('memory', () => {
  it('an output bound to the memory of an input updates it in place', async () => {
    const g = new Graph('counter')
    const x = g.input('x', 'f32', [3])
    g.output('next', add(g, x, g.scalar(1)))
    const session = new Session(g)
    const value = Value.of('f32', [3], Float32Array.of(0, 10, 20))
    for (let i = 0; i < 5; i++) await session.run({ inputs: { x: value }, outputs: { next: value } })
    expect(Array.from(value.data)).toEqual([5, 15, 25])
    session.dispose()
    value.dispose()
  })

  it('two sessions stand on one weight', async () => {
    const weight = Value.of(
      'f32',
      [4, 4],
      Float32Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 2 : 0)),
    )
    const pool = new WeightPool()
    const sessions = [1, 2].map((factor) => {
      const g = new Graph(`half ${factor}`)
      g.output('y', scale(g, linear(g, g.input('x', 'f32', ['rows', 4]), g.weight('w', 'f32', [4, 4], true)), factor))
      return new Session(g, new Map([['w', weight as Value]]), {}, pool)
    })
    const x = Value.of('f32', [1, 4], Float32Array.of(1, 2, 3, 4))
    const y = Value.zeros('f32', [1, 4])
    const got: number[][] = []
    for (const session of sessions) {
      await session.run({ inputs: { x }, outputs: { y } })
      got.push(Array.from(y.data))
    }
    expect(got).toEqual([
      [2, 4, 6, 8],
      [4, 8, 12, 16],
    ])
    for (const owned of [...sessions, pool, weight, x, y]) owned.dispose()
  })

  it('use after dispose is an error, not a crash', async () => {
    const g = new Graph('gone')
    g.output('y', scale(g, g.input('x', 'f32', [1]), 2))
    const session = new Session(g)
    const x = Value.zeros('f32', [1])
    session.dispose()
    await expect(session.run({ inputs: { x }, outputs: {} })).rejects.toThrow(XComposerError)
    x.dispose()
    x.dispose()
    expect(() => x.pointer).toThrow('used after it was disposed')
  })
})

afterAll(() => expect(liveHandles(), 'native handles alive after every dispose').toEqual({ total: 0, byKind: {} }))
