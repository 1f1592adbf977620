import fc from 'fast-check'
import { expect, it } from 'vitest'
import { limited } from './limited.js'

it('runs everything, in order, never more at a time than allowed, also when some fail', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.array(fc.tuple(fc.nat(3), fc.boolean())), async (most, jobs) => {
      const run = limited(most)
      const started: number[] = []
      let running = 0
      let peak = 0
      const results = await Promise.allSettled(
        jobs.map(([turns, fails], i) =>
          run(async () => {
            started.push(i)
            peak = Math.max(peak, ++running)
            for (let turn = 0; turn < turns; turn++) await null
            running--
            if (fails) throw new Error('no')
            return i
          }),
        ),
      )
      expect(started).toEqual(jobs.map((_, i) => i))
      expect(peak).toBe(Math.min(peak, most))
      if (jobs.length > most && jobs.every(([turns]) => turns > 0)) expect(peak).toBe(most)
      expect(results.map(({ status }) => status === 'rejected')).toEqual(jobs.map(([, fails]) => fails))
    }),
  )
})
