/** Turns and lifetimes without a model: who runs when, and what is freed when. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DisposedError } from '../common/errors.js'
import { Lifetime, PassQueue } from './passes.js'

const wait = (turns: number) =>
  Array.from({ length: turns }).reduce<Promise<void>>(
    (before) => before.then(() => new Promise((resolve) => setImmediate(resolve))),
    Promise.resolve(),
  )

describe('passes', () => {
  it('run one at a time in the order in which they were asked for, whether others fail or not', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(3), fc.boolean()), { maxLength: 8 }), async (specs) => {
        const queue = new PassQueue('model x')
        const order: number[] = []
        let running = 0
        const ends = await Promise.allSettled(
          specs.map(([turns, fails], i) =>
            queue.run(async () => {
              expect(++running).toBe(1)
              await wait(turns)
              running--
              order.push(i)
              if (fails) throw new Error('no')
              return i
            }),
          ),
        )
        expect(order).toEqual(specs.map((_, i) => i))
        expect(ends.map(({ status }) => status)).toEqual(specs.map(([, fails]) => (fails ? 'rejected' : 'fulfilled')))
        expect(queue.idle).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  it('that wait or come when the queue is closed are refused; the one that runs ends', async () => {
    const queue = new PassQueue('model x')
    const log: string[] = []
    const running = queue.run(async () => {
      await wait(2)
      log.push('ran')
      return 1
    })
    const waiting = queue.run(async () => log.push('never'))
    await wait(1)
    const { ended } = queue.close()
    const late = queue.run(async () => log.push('never'))
    for (const refused of [waiting, late]) await expect(refused).rejects.toThrow(/^model x: was disposed/)
    await ended
    expect(await running).toBe(1)
    expect(log).toEqual(['ran'])
    expect(queue.close().ended).toBeUndefined()
  })
})

describe('a lifetime', () => {
  it('frees once, behind the last use', async () => {
    let freed = 0
    const lifetime = new Lifetime('sequence', () => freed++)
    const uses = [1, 3].map((turns) => lifetime.during(() => wait(turns)))
    lifetime.end()
    lifetime.end()
    await uses[0]
    expect(freed).toBe(0)
    await uses[1]
    expect(freed).toBe(1)
    expect(() => lifetime.check()).toThrow(DisposedError)
    await expect(lifetime.during(async () => 1)).rejects.toThrow('sequence: was disposed')
    lifetime.end()
    expect(freed).toBe(1)
  })
})
