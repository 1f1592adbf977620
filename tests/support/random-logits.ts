/** A random "model" for tests of decoding: a function from ids to logits, handed out as sequences and branches that know each other not. */
import { createRandom } from '../../src/generate/sample.js'
import type { BranchingSequence } from '../../src/inference/sequence.js'

/**
 * A random "model": every context has its own logits, so that no two sequences tie. A branch is an independent list of ids. Counts the
 * sequences and branches it hands out and gets back.
 */
export function randomModel(vocabulary: number, seed: number) {
  const logits = (ids: readonly number[]): Float32Array => {
    const random = createRandom(ids.reduce((hash, id) => (hash * 31 + id + 1) % 1e9, seed + 1))
    return Float32Array.from({ length: vocabulary }, () => 3 * random.next())
  }
  const count = { open: 0, appended: 0 }
  /** What is handed out: usable until it is given back, once. */
  const handle = () => {
    let disposed = false
    count.open++
    return {
      use() {
        if (disposed) throw new Error('used after dispose')
      },
      dispose() {
        if (disposed) throw new Error('disposed twice')
        disposed = true
        count.open--
      },
    }
  }
  const open = (ids: readonly number[]): BranchingSequence => {
    const { use, dispose } = handle()
    let own = [...ids]
    return {
      get length() {
        return own.length
      },
      async append(more) {
        use()
        count.appended += more.length
        own = [...own, ...more]
        return logits(own)
      },
      branch() {
        use()
        const branch = handle()
        let branches = [own]
        return {
          async step(parents, more) {
            branch.use()
            count.appended += more.length
            branches = parents.map((parent, i) => [...(branches[parent] as number[]), more[i] as number])
            return branches.map(logits)
          },
          dispose: branch.dispose,
        }
      },
      dispose,
    }
  }
  return { logits, open, count }
}

/** Log-probabilities straight from the definition. */
export function logProbs(logits: Float32Array): number[] {
  const total = [...logits].reduce((sum, v) => sum + Math.exp(v), 0)
  return [...logits].map((v) => v - Math.log(total))
}
