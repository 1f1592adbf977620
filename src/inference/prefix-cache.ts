/**
 * The prefix cache: sequences of finished answers, for prompts that begin as they did (a follow-up question, or another question about the
 * same image). One that is continued where it ended is taken out and used as it is; of one that has only its beginning in common, the
 * beginning is copied, and so it is of an answer that is still being made. Requests of different scopes share nothing. What is reused of
 * a prompt is what computing it anew would give, to the bit, so that an answer does not depend on the requests before it; only behind an
 * answer, whose ids were computed one by one, the last bits can be others.
 */
import { type DecoderSequence, prefillChunkEnd } from './decoder-runtime.js'
import { isLeftOver } from './pieces.js'

/** Fewer common positions than this are computed again: nearly every prompt begins with some. */
export const MIN_REUSED_POSITIONS = 16

/** What a cache holds, and how often it helped. */
export interface CacheStatistics {
  readonly entries: number
  readonly bytes: number
  readonly maxBytes: number
  readonly hits: number
  readonly misses: number
}

/** A prompt that looks for a sequence which begins as it does. */
export interface PrefixQuery {
  /** As in promptRows. */
  readonly content: readonly number[]
  /** Only sequences of the same scope are seen. */
  readonly scope: string
  /** Most positions that the sequence may have. */
  readonly limit: number
}

/** What was found: `length` positions of `source`, which is the caller's now if it was taken out. */
export interface FoundPrefix {
  readonly source: DecoderSequence
  readonly length: number
  readonly taken: boolean
}

/** Owns what is put into it. The least recently used go when the budget is full. */
export class PrefixCache {
  /** The least recently used first. */
  private kept: DecoderSequence[] = []
  private closed = false
  private hits = 0
  private misses = 0

  /** @param maxBytes of all sequences together; 0: nothing is kept, and nothing is found */
  constructor(private readonly maxBytes: number) {}

  /** Whether anything is kept. */
  get isOn(): boolean {
    return this.maxBytes > 0 && !this.closed
  }

  get statistics(): CacheStatistics {
    const { bytes, maxBytes, hits, misses } = this
    return { entries: this.kept.length, bytes, maxBytes, hits, misses }
  }

  private get bytes(): number {
    return this.kept.reduce((sum, { cache }) => sum + cache.bytes, 0)
  }

  /**
   * The longest beginning that a prompt can take over, if it is worth it.
   * @param running sequences of answers that are being made; they are only ever copied
   */
  find(query: PrefixQuery, running: Iterable<DecoderSequence> = []): FoundPrefix | undefined {
    if (!this.isOn) return undefined
    let best: { readonly source: DecoderSequence; readonly length: number } | undefined
    // Of equals the latest that was kept: it can be taken, and is the likeliest to be followed.
    for (const source of [...running, ...this.kept]) {
      if (source.scope !== query.scope) continue
      const length = reusable(source.content, source.promptLength, query.content)
      if (length >= Math.max(MIN_REUSED_POSITIONS, best?.length ?? 0)) best = { source, length }
    }
    if (!best) {
      this.misses++
      return undefined
    }
    this.hits++
    const { source, length } = best
    const at = this.kept.indexOf(source)
    if (at < 0) return { source, length, taken: false }
    this.kept.splice(at, 1)
    // A prompt that goes on from its beginning only would cost it the rest.
    const taken = source.cache.limit === query.limit && 2 * length >= source.length
    if (taken) source.rewind(length)
    else this.kept.push(source)
    return { source, length, taken }
  }

  /** Takes a sequence over. Those of its scope that it begins with are no longer needed. */
  put(sequence: DecoderSequence): void {
    if (!this.isOn || sequence.cache.bytes > this.maxBytes) {
      sequence.dispose()
      return
    }
    const covered = this.kept.filter(({ scope, content }) => scope === sequence.scope && isBeginning(content, sequence.content))
    this.kept = [...this.kept.filter((one) => !covered.includes(one)), sequence]
    for (const one of covered) one.dispose()
    while (this.bytes > this.maxBytes) this.kept.shift()?.dispose()
  }

  /** Disposes what is kept. */
  clear(): void {
    for (const one of this.kept.splice(0)) one.dispose()
  }

  /** Disposes what is kept and what is put from now on. */
  close(): void {
    this.closed = true
    this.clear()
  }
}

function isBeginning(of: readonly number[], content: readonly number[]): boolean {
  return of.length <= content.length && of.every((one, i) => one === content[i])
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
