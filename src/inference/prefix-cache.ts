/**
 * The prefix cache: the sequence of the last answer, for a prompt that begins as it did (a follow-up question, or another question about
 * the same image). A sequence is taken out before it is used, so requests that run at the same time never share one. What is reused of
 * a prompt is what computing it anew would give, to the bit, so that an answer does not depend on the requests before it; only behind an
 * answer, whose ids were computed one by one, the last bits can be others.
 */
import { type DecoderSequence, prefillChunkEnd } from './decoder-runtime.js'

/** Fewer common positions than this are computed again: nearly every prompt begins with some. */
export const MIN_REUSED_POSITIONS = 16

/** The engine multiplies so many rows at a time; a single row that is left over is added up in another order (measured, on x86). */
const ROWS_TOGETHER = 64

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
    const length = reusable(kept.content, kept.promptLength, content)
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

/**
 * How many of the first positions of `content` can be taken from a sequence of `kept`, whose first `promptLength` were a prompt. The last
 * position is always computed: its logits are asked for.
 */
export function reusable(kept: readonly number[], promptLength: number, content: readonly number[]): number {
  let length = 0
  const most = Math.min(kept.length, content.length - 1)
  while (length < most && kept[length] === content[length]) length++
  const [before, now] = [leftOver(kept.slice(0, promptLength)), leftOver(content)]
  for (const row of [...before, ...now]) {
    if (before.has(row) !== now.has(row) && row < promptLength) length = Math.min(length, row)
  }
  // What is left of the pass in which the reuse ends has a left-over row where the whole pass has one. A pass of one row is another again.
  while (length > 0) {
    const { start, end } = passAt(content, length)
    if (isLeftOver(end - start) === isLeftOver(end - length) && (length === start || end - length > 1)) break
    length--
  }
  return length
}

const isLeftOver = (rows: number): boolean => rows % ROWS_TOGETHER === 1

/** Rows of a prompt that are left over in their passes. */
function leftOver(content: readonly number[]): Set<number> {
  const found = new Set<number>()
  for (let at = 0; at < content.length; ) {
    const { start, end } = passAt(content, at)
    if (isLeftOver(end - start)) found.add(end - 1)
    at = end
  }
  return found
}

/** The pass of a prompt that computes a position: rows of one modality within a chunk. */
function passAt(content: readonly number[], position: number): { start: number; end: number } {
  const isImage = (at: number): boolean => (content[at] as number) < 0
  const chunkEnd = Math.min(content.length, prefillChunkEnd(position))
  let [start, end] = [position, position + 1]
  while (end < chunkEnd && isImage(end) === isImage(position)) end++
  while (start > 0 && prefillChunkEnd(start - 1) === prefillChunkEnd(position) && isImage(start - 1) === isImage(position))
    start--
  return { start, end }
}
