/**
 * The prefix cache: the sequence of the last answer, for a prompt that begins as it did (a follow-up question, or another question about
 * the same image). A sequence is taken out before it is used, so requests that run at the same time never share one.
 */
import type { DecoderSequence } from './decoder-runtime.js'

/** Fewer common positions than this are computed again: nearly every prompt begins with some. */
export const MIN_REUSED_POSITIONS = 16

/** Holds at most one sequence, which is the cache's own until it is taken. */
export class PrefixCache {
  private kept: DecoderSequence | undefined
  private closed = false

  /**
   * Takes out the kept sequence, rewound to what it has in common with `content` (as in promptRows). One that has too little in common, or
   * another limit, is disposed, so that its memory is free for the prompt.
   */
  take(content: readonly number[], limit: number): DecoderSequence | undefined {
    const { kept } = this
    this.kept = undefined
    if (!kept) return undefined
    // The last position is always computed: its logits are asked for.
    const length = Math.min(kept.sharedPrefix(content), content.length - 1)
    if (kept.cache.limit === limit && length >= MIN_REUSED_POSITIONS) {
      kept.rewind(length)
      return kept
    }
    kept.dispose()
    return undefined
  }

  /** Takes a sequence over, in place of the one before. */
  put(sequence: DecoderSequence): void {
    this.clear()
    if (this.closed) sequence.dispose()
    else this.kept = sequence
  }

  /** Disposes what is kept. */
  clear(): void {
    this.kept?.dispose()
    this.kept = undefined
  }

  /** Disposes what is kept and what is put from now on. */
  close(): void {
    this.closed = true
    this.clear()
  }
}
