/**
 * Several continuations of one sequence over one KV cache: what all branches have appended stands behind the prompt, and each branch
 * sees the prompt and its own ancestors among the rest. The prompt is neither copied nor, as the weights, read once for each branch.
 */
import type { DecoderSessions } from './decoder-sessions.js'
import type { KvCache, Restore } from './kv-cache.js'
import type { Branches } from './sequence.js'
import type { WeightStore } from './weight-store.js'

/** Branches of the sequence in `cache`, which they borrow until they are disposed. */
export class DecoderBranches implements Branches {
  private readonly prompt: number
  private readonly restore: Restore
  /** For each branch where its ids stand in the cache, ascending. */
  private paths: readonly (readonly number[])[] = [[]]
  private depth = 0

  constructor(
    private readonly model: { readonly sessions: DecoderSessions; readonly store: WeightStore },
    private readonly cache: KvCache,
  ) {
    this.prompt = cache.length
    this.restore = cache.snapshot()
  }

  async step(parents: readonly number[], ids: readonly number[]): Promise<Float32Array[]> {
    const { cache, prompt } = this
    const before = parents.map((parent) => this.paths[parent] as readonly number[])
    this.paths = cache.room < ids.length ? this.withoutDead(before) : before
    this.paths = this.paths.map((path, i) => [...path, cache.length + i])
    const branches = { shared: prompt, position: prompt + this.depth++, paths: this.paths }
    const logitColumns = ids.map((_, i) => i)
    const step = { embeddings: this.model.store.embed(ids), tokens: ids.length, logitColumns, branches }
    const { logits } = await this.model.sessions.run(step, cache)
    const width = logits.length / ids.length
    return ids.map((_, i) => logits.subarray(i * width, (i + 1) * width))
  }

  /** The paths after the cache dropped what no branch sees any more, if that is at least half: less would soon have to be done again. */
  private withoutDead(paths: readonly (readonly number[])[]): readonly (readonly number[])[] {
    const living = [...new Set(paths.flat())].sort((a, b) => a - b)
    if (living.length * 2 > this.cache.length - this.prompt) return paths
    this.cache.compact(this.prompt, living)
    const place = new Map(living.map((slot, i) => [slot, this.prompt + i]))
    return paths.map((path) => path.map((slot) => place.get(slot) as number))
  }

  dispose(): void {
    this.restore()
  }
}
