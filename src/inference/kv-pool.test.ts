/** Rows of a pool against plain lists of what was written into them. */
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { smallConfig } from '../../tests/support/random-model.js'
import { cacheWidth, liveHandles } from '../engine/index.js'
import { parseModelConfig } from '../model/config.js'
import { KvCache } from './kv-cache.js'
import { KvPool } from './kv-pool.js'

afterAll(() => expect(liveHandles().byKind).toEqual({}))

const { decoder: config, maxLength } = parseModelConfig(smallConfig, 'config.json')
const width = cacheWidth(config.headDim)

/** What a pass does to one row: `count` positions more, each filled with its value. */
function append(cache: KvCache, values: readonly number[]): void {
  cache.reserve(cache.length + values.length)
  for (const [which, list] of [cache.keys, cache.values].entries()) {
    for (const [layer, { data }] of list.entries()) {
      for (let head = 0; head < config.kvHeads; head++) {
        values.forEach((value, i) => {
          const at = (head * cache.capacity + cache.length + i) * width
          data.fill(value + which / 2 + layer / 4 + head / 8, at, at + width)
        })
      }
    }
  }
  cache.length += values.length
}

function expectFilled(cache: KvCache, values: readonly number[]): void {
  expect(cache.length).toBe(values.length)
  if (values.length === 0) return
  for (let layer = 0; layer < config.layers; layer++) {
    const [keys, after] = [cache.filled('keys', layer), cache.filled('values', layer)]
    for (let head = 0; head < config.kvHeads; head++) {
      values.forEach((value, i) => {
        const at = (head * values.length + i) * config.headDim
        expect(keys[at]).toBe(Math.fround(value + layer / 4 + head / 8))
        expect(after[at + config.headDim - 1]).toBe(Math.fround(value + 1 / 2 + layer / 4 + head / 8))
      })
    }
  }
}

const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('enter' as const), length: fc.nat(5) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('append' as const), row: fc.nat(99), length: fc.constantFrom(1, 2, 40, 300) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), rows: fc.array(fc.nat(99), { minLength: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('out' as const), row: fc.nat(99) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('dispose' as const), row: fc.nat(99) }) },
)

it('each row holds what was written into it, whoever enters, grows, moves and leaves beside it', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
      const pool = new KvPool(config, maxLength)
      const all: { cache: KvCache; values: number[] }[] = []
      let next = 1
      const values = (n: number) => Array.from({ length: n }, () => next++)
      for (const one of actions) {
        const row = 'row' in one ? all[one.row % Math.max(1, all.length)] : undefined
        if (one.kind === 'enter') {
          const cache = new KvCache(config, maxLength)
          const begin = values(one.length)
          if (begin.length > 0) append(cache, begin)
          pool.enter(cache)
          all.push({ cache, values: begin })
        } else if (one.kind === 'pass') {
          const rows = [...new Set(one.rows.map((i) => all[i % Math.max(1, all.length)]))].flatMap((found) => found ?? [])
          if (rows.length < 2) continue
          for (const { cache } of rows) pool.enter(cache)
          const { keys, lengths, places, capacity } = pool.together(rows.map(({ cache }) => cache))
          // Every row of the pass, whether meant or not, has something written behind its last position.
          lengths.forEach((length, at) => {
            expect(length).toBeLessThan(capacity)
            for (const { data } of keys)
              data.fill(
                -1,
                (at * config.kvHeads * capacity + length) * width,
                (at * config.kvHeads * capacity + length + 1) * width,
              )
          })
          for (const [i, { cache }] of rows.entries()) expect(lengths[places[i] as number]).toBe(cache.length)
          for (const found of rows) {
            const [value] = values(1)
            append(found.cache, [value as number])
            found.values.push(value as number)
          }
        } else if (row && one.kind === 'append') {
          const more = values(Math.min(one.length, maxLength - row.values.length))
          if (more.length > 0) append(row.cache, more)
          row.values.push(...more)
        } else if (row && one.kind === 'out') {
          if (row.cache.home) pool.bringOut(row.cache)
        } else if (row) {
          row.cache.dispose()
          all.splice(all.indexOf(row), 1)
        }
        for (const found of all) expectFilled(found.cache, found.values)
      }
      for (const { cache } of all) cache.dispose()
      expect(pool.size).toEqual({ rows: 0, used: 0, capacity: 0 })
    }),
    { numRuns: 60 },
  )
})

it('the memory of a lone sequence is handed over as it is, both ways', () => {
  const pool = new KvPool(config, maxLength)
  const cache = new KvCache(config, maxLength)
  append(cache, [1, 2, 3])
  const [before] = cache.keys
  pool.enter(cache)
  expect(pool.size).toEqual({ rows: 1, used: 1, capacity: 256 })
  pool.bringOut(cache)
  expect(cache.keys[0]).toBe(before)
  expect(pool.size.rows).toBe(0)
  cache.dispose()
})

it('moves a row when passes have computed as much for nobody, and not before', () => {
  const pool = new KvPool(config, maxLength)
  const caches = Array.from({ length: 4 }, () => new KvCache(config, maxLength))
  for (const cache of caches) {
    pool.enter(cache)
    append(cache, Array(200).fill(1))
  }
  const [first, , third, fourth] = caches as [KvCache, KvCache, KvCache, KvCache]
  third.dispose()
  caches[1]?.dispose()
  const places = () => pool.together([first, fourth]).places
  // A row of 200 positions is worth 1.8 rows of a pass: two gaps are enough at once.
  expect(places()).toEqual([0, 1])
  fourth.dispose()
  const other = new KvCache(config, maxLength)
  pool.enter(other)
  append(other, Array(1000).fill(1))
  append(first, Array(800).fill(1))
  const last = new KvCache(config, maxLength)
  pool.enter(last)
  append(last, Array(1000).fill(1))
  other.dispose()
  const spans = Array.from({ length: 7 }, () => pool.together([first, last]).lengths.length)
  expect(spans).toEqual([3, 3, 3, 3, 2, 2, 2])
  first.dispose()
  last.dispose()
})
