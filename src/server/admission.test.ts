import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Admission, type Place } from './admission.js'
import { ApiError } from './errors.js'

const never = new AbortController().signal

/** Lets everything that is ready run. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('admission', () => {
  it('gives clients their turns one after the other, whatever each of them asks', async () => {
    const admission = new Admission(1, 100)
    const order: string[] = []
    const first = await admission.enter('greedy', never)
    const enter = (client: string) =>
      admission.enter(client, never).then((place) => {
        order.push(client)
        place.leave()
      })
    const all = [...Array.from({ length: 5 }, () => enter('greedy')), enter('modest'), enter('late')]
    first.leave()
    await Promise.all(all)
    expect(order).toEqual(['greedy', 'modest', 'late', 'greedy', 'greedy', 'greedy', 'greedy'])
    expect([admission.running, admission.waiting]).toEqual([0, 0])
  })

  it('refuses what does not fit, and says when to come again', async () => {
    const admission = new Admission(1, 1)
    await admission.enter('a', never)
    const waiting = admission.enter('a', never)
    waiting.catch(() => {})
    const error = await admission.enter('a', never).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 429, code: 'rate_limit_exceeded', retryAfter: expect.any(Number) })
  })

  it('lets a client in whose place another one takes twice', async () => {
    const admission = new Admission(1, 2)
    const running = await admission.enter('greedy', never)
    const [second, third] = [admission.enter('greedy', never), admission.enter('greedy', never)]
    const other = admission.enter('modest', never)
    await expect(third).rejects.toMatchObject({ status: 429 })
    running.leave()
    ;(await second).leave()
    ;(await other).leave()
    expect([admission.running, admission.waiting]).toEqual([0, 0])
  })

  it('forgets who leaves the queue', async () => {
    const admission = new Admission(1, 5)
    const running = await admission.enter('a', never)
    const leaving = new AbortController()
    const left = admission.enter('a', leaving.signal)
    leaving.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    expect(admission.waiting).toBe(0)
    running.leave()
    running.leave()
    expect(admission.running).toBe(0)
  })

  it('holds its limits and loses no place, in whatever order requests come, leave and end', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('enter' as const), client: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ kind: fc.constantFrom('leave' as const, 'abort' as const), which: fc.nat(20) }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 4 }),
        fc.array(step, { maxLength: 40 }),
        async (slots, queue, steps) => {
          const admission = new Admission(slots, queue)
          const inside: Place[] = []
          const aborts: AbortController[] = []
          for (const one of steps) {
            if (one.kind === 'enter') {
              const abort = new AbortController()
              aborts.push(abort)
              admission.enter(one.client, abort.signal).then(
                (place) => inside.push(place),
                () => {},
              )
            } else if (one.kind === 'leave') inside.splice(one.which % Math.max(1, inside.length), 1)[0]?.leave()
            else aborts[one.which % Math.max(1, aborts.length)]?.abort()
            await settle()
            expect(admission.running).toBe(inside.length)
            expect(admission.running).toBeLessThanOrEqual(slots)
            expect(admission.waiting).toBeLessThanOrEqual(queue)
            // Nobody waits while there is room.
            if (admission.running < slots) expect(admission.waiting).toBe(0)
          }
          while (inside.length > 0) {
            for (const place of inside.splice(0)) place.leave()
            await settle()
          }
          expect([admission.running, admission.waiting]).toEqual([0, 0])
        },
      ),
      { numRuns: 60 },
    )
  })
})
