/** Rows of a batch against sequences that are alone. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { largestDifference, ROUNDING, smallDecoder } from '../../tests/support/small-decoder.js'
import { DecoderBatch } from './decoder-batch.js'
import type { Sequence } from './sequence.js'

const small = smallDecoder()

const ids = (n: number, from: number) => Array.from({ length: n }, (_, i) => 3 + ((from + i * 37) % 190))

/** Logits of each id appended after a prompt. */
async function appended(sequence: Sequence, next: readonly number[]): Promise<Float32Array[]> {
  const logits: Float32Array[] = []
  for (const id of next) logits.push(await sequence.append([id]))
  return logits
}

/** A batch of rows with prompts of these lengths. */
async function batchOf(prompts: readonly number[]): Promise<{ batch: DecoderBatch; rows: Sequence[] }> {
  const batch = new DecoderBatch(small.model, prompts.length, 1)
  const rows: Sequence[] = []
  for (const [i, length] of prompts.entries()) {
    const sequence = small.model.sequence()
    await sequence.append(ids(length, i))
    rows.push(batch.join(sequence))
    sequence.dispose()
  }
  return { batch, rows }
}

it('each row gives the logits of its sequence alone, whatever the others hold and whenever they end', async () => {
  const row = fc.record({ prompt: fc.constantFrom(1, 2, 17, 250, 256, 300), steps: fc.nat(9), seed: fc.nat(100) })
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 5 }), async (specs) => {
      const { batch, rows } = await batchOf(specs.map(({ prompt }) => prompt))
      const got = await Promise.all(
        specs.map(async ({ steps, seed }, i) => {
          const sequence = rows[i] as Sequence
          const logits = await appended(sequence, ids(steps, seed))
          expect(sequence.length).toBe((specs[i]?.prompt ?? 0) + steps)
          sequence.dispose()
          return logits
        }),
      )
      batch.dispose()
      for (const [i, { prompt, steps, seed }] of specs.entries()) {
        const sequence = small.model.sequence()
        await sequence.append(ids(prompt, i))
        const want = await appended(sequence, ids(steps, seed))
        sequence.dispose()
        for (const [step, logits] of want.entries())
          expect(largestDifference(logits, got[i]?.[step] as Float32Array)).toBeLessThan(ROUNDING)
      }
    }),
    { numRuns: 25 },
  )
})

it('a pass that fails fails for every row, and the next one runs', async () => {
  const { batch, rows } = await batchOf([5, 6])
  const [first, second] = rows as [Sequence, Sequence]
  const results = await Promise.allSettled([first.append([100_000]), second.append([7])])
  for (const result of results) expect(String((result as PromiseRejectedResult).reason)).toMatch(/token id 100000 is outside/)
  first.dispose()
  const alone = small.model.sequence()
  await alone.append(ids(6, 1))
  expect(largestDifference(await second.append([7]), await alone.append([7]))).toBeLessThan(ROUNDING)
  await expect(first.append([1])).rejects.toThrow('after it left')
  alone.dispose()
  second.dispose()
  batch.dispose()
})

it('stops at the context of the model', async () => {
  const { batch, rows } = await batchOf([1023])
  const [row] = rows as [Sequence]
  await row.append([4])
  await expect(row.append([4])).rejects.toThrow('1025 positions')
  row.dispose()
  batch.dispose()
})
