/** Runs asynchronous work, at most so many pieces at a time. */

/** Starts `work` when its turn comes, in the order of the calls. */
export type Limited = <T>(work: () => Promise<T>) => Promise<T>

/** @param most pieces that run at the same time, from 1 */
export function limited(most: number): Limited {
  const waiting: (() => void)[] = []
  let running = 0
  return async (work) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await work()
    } finally {
      // The place goes to the next in line; it is only free when nobody waits.
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}
