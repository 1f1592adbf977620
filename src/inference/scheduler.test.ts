/** Rows that are decoded together against sequences that are alone. */
import fc from 'fast-check'
import { afterEach, expect, it, vi } from 'vitest'
import { largestDifference, ROUNDING, smallDecoder } from '../../tests/support/small-decoder.js'
import { DisposedError } from '../common/errors.js'
import type { ScheduledRow } from './scheduler.js'

const SLOTS = 4
const small = smallDecoder(undefined, { slots: SLOTS })
afterEach(() => {
  vi.restoreAllMocks()
  expect(small.model.scheduler.pool.size.rows).toBe(0)
  expect(small.model.living.size).toBe(0)
})

const ids = (n: number, from: number) => Array.from({ length: n }, (_, i) => 3 + ((from + i * 37) % 190))
const tick = () => new Promise<void>((resolve) => void setImmediate(resolve))

/** A row with a prompt of this length. */
async function rowOf(prompt: number, from: number): Promise<ScheduledRow> {
  const { scheduler } = small.model
  await scheduler.place()
  const content = ids(prompt, from)
  const sequence = await small.model.begin({ content, limit: 1024, scope: '', scheduled: true })
  const rest = content.slice(sequence.length)
  await sequence.append(rest)
  sequence.promptLength = prompt
  return scheduler.start(sequence)
}

/** Logits of each id behind a prompt, alone. */
async function alone(prompt: number, from: number, next: readonly number[]): Promise<Float32Array[]> {
  const sequence = small.model.sequence()
  await sequence.append(ids(prompt, from))
  const logits: Float32Array[] = []
  for (const id of next) logits.push(await sequence.append([id]))
  sequence.dispose()
  return logits
}

it('each row gives the logits of its sequence alone, whenever it joins, pauses and leaves', async () => {
  const row = fc.record({
    prompt: fc.constantFrom(1, 2, 17, 250, 256, 300),
    steps: fc.nat(9),
    seed: fc.nat(100),
    delay: fc.nat(20),
    pause: fc.option(fc.nat(40), { nil: undefined }),
    keeps: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 8 }), async (specs) => {
      const got = await Promise.all(
        specs.map(async ({ prompt, steps, seed, delay, pause, keeps }, i) => {
          for (let n = 0; n < delay; n++) await tick()
          const mine = await rowOf(prompt, i)
          const logits: Float32Array[] = []
          for (const [at, id] of ids(steps, seed).entries()) {
            if (pause !== undefined && at === 2) for (let n = 0; n < pause; n++) await tick()
            logits.push(await mine.append([id]))
          }
          expect(mine.length).toBe(prompt + steps)
          if (keeps) small.model.keep(mine.keep())
          else mine.dispose()
          return logits
        }),
      )
      small.model.prefixes.clear()
      for (const [i, { prompt, steps, seed }] of specs.entries()) {
        const want = await alone(prompt, i, ids(steps, seed))
        for (const [step, logits] of want.entries())
          expect(largestDifference(logits, got[i]?.[step] as Float32Array)).toBeLessThan(ROUNDING)
      }
    }),
    { numRuns: 25 },
  )
})

it('one pass serves all rows that are read; one that is not read costs the others nothing but its gap', async () => {
  const rows = [await rowOf(5, 0), await rowOf(6, 1), await rowOf(7, 2)]
  const passes = vi.spyOn(small.model.sessions, 'passRows')
  for (let step = 0; step < 3; step++) await Promise.all(rows.map((row) => row.append([9])))
  expect(passes.mock.calls.map(([, { places }]) => places.length)).toEqual([3, 3, 3])
  const [, slow, ...read] = [rows[0], rows[1], rows[0], rows[2]] as [ScheduledRow, ScheduledRow, ScheduledRow, ScheduledRow]
  for (let step = 0; step < 40; step++) await Promise.all(read.map((row) => row.append([9])))
  const spans = passes.mock.calls.slice(3).map(([, { lengths }]) => lengths.length)
  expect(spans).toHaveLength(40)
  expect([spans[0], spans.at(-1)]).toEqual([3, 2])
  // It was brought out meanwhile, and goes on where it was.
  expect(slow.sequence.cache.home).toBeUndefined()
  const [last] = (await alone(6, 1, [9, 9, 9, 12])).slice(-1)
  const [logits] = await Promise.all([slow.append([12]), ...read.map((row) => row.append([9]))])
  expect(largestDifference(logits as Float32Array, last as Float32Array)).toBeLessThan(ROUNDING)
  for (const row of rows) row.dispose()
})

it('a row that nobody reads gives its place to one that waits', async () => {
  const rows: ScheduledRow[] = []
  for (let i = 0; i < SLOTS + 3; i++) rows.push(await rowOf(4 + i, i))
  const got = await Promise.all(rows.map((row) => row.append([9])))
  for (const [i, logits] of got.entries()) {
    const [want] = await alone(4 + i, i, [9])
    expect(largestDifference(want as Float32Array, logits)).toBeLessThan(ROUNDING)
  }
  for (const row of rows) row.dispose()
})

it('whoever waits for a place is served in turn, or leaves when told to', async () => {
  const { scheduler } = small.model
  for (let i = 0; i < SLOTS; i++) await scheduler.place()
  const order: string[] = []
  let reason: Error | undefined
  const check = {
    throwIfAborted() {
      if (reason) throw reason
    },
  }
  const waiting = ['a', 'b', 'c'].map((name) =>
    scheduler.place(name === 'b' ? check : undefined).then(
      () => order.push(name),
      (error) => order.push(`${name}: ${error.message}`),
    ),
  )
  await tick()
  expect(order).toEqual([])
  reason = new Error('enough')
  scheduler.giveBack()
  await Promise.all(waiting.slice(0, 2))
  expect(order).toEqual(['b: enough', 'a'])
  scheduler.giveBack()
  await waiting[2]
  for (let i = 0; i < SLOTS; i++) scheduler.giveBack()
})

it('an id that is none fails for its row alone', async () => {
  const rows = [await rowOf(5, 0), await rowOf(6, 1)] as const
  const results = await Promise.allSettled([rows[0].append([100_000]), rows[1].append([7])])
  expect(String((results[0] as PromiseRejectedResult).reason)).toMatch(/token id 100000 is outside/)
  const [want] = await alone(6, 1, [7])
  expect(largestDifference((results[1] as PromiseFulfilledResult<Float32Array>).value, want as Float32Array)).toBeLessThan(
    ROUNDING,
  )
  for (const row of rows) row.dispose()
  await expect(rows[0].append([1])).rejects.toThrow(DisposedError)
})

it('stops at the context of the model', async () => {
  const row = await rowOf(1023, 0)
  await row.append([4])
  await expect(row.append([4])).rejects.toThrow('1025 positions')
  row.dispose()
})
