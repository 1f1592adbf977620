/**
 * Byte-pair merging as SentencePiece does it (SPEC 7.2): merge the adjacent pair whose concatenation has the best score,
 * leftmost on ties, until no pair is a piece. A linked list of symbols and a heap of candidates keep it near linear.
 * It knows nothing of files, special tokens or prompts.
 */

export interface Vocabulary {
  /** Ids of the pieces that merging may produce. */
  readonly ids: ReadonlyMap<string, number>
  /** Score per id; higher merges first. */
  readonly scores: Float64Array
  /** User-defined pieces by first UTF-16 unit, longest first: matched before merging and never merged. */
  readonly frozen: ReadonlyMap<number, readonly string[]>
  /** Longest piece in UTF-16 units; longer concatenations need no lookup. */
  readonly longest: number
  /** Id of each byte piece, or undefined when the model has no byte fallback. */
  readonly bytes: Int32Array | undefined
  readonly unknown: number
}

const utf8 = new TextEncoder()

/** Appends the ids of `text` (spaces already written as U+2581, no lone surrogates) to `out`. */
export function encodeBpe(text: string, vocabulary: Vocabulary, out: number[]): void {
  const { ids, scores, longest } = vocabulary
  const { start, end, frozen, count } = split(text, vocabulary)
  // Symbol i is alive while end[i] > 0. next of the last is count; prev of the first is -1.
  const prev = new Int32Array(count + 1)
  const next = new Int32Array(count + 1)
  for (let i = 0; i < count; i++) {
    prev[i] = i - 1
    next[i] = i + 1
  }
  const heap = new CandidateHeap(count)
  const offer = (left: number, right: number): void => {
    if (left < 0 || right >= count || frozen[left] || frozen[right]) return
    const from = start[left] ?? 0
    const to = end[right] ?? 0
    if (to - from > longest) return
    const id = ids.get(text.slice(from, to))
    if (id !== undefined) heap.push(scores[id] ?? 0, left, to)
  }
  for (let i = 0; i + 1 < count; i++) offer(i, i + 1)
  while (heap.pop()) {
    const left = heap.left
    // A candidate is stale when its left symbol died or its right end no longer lies at the recorded place.
    if (end[left] === 0) continue
    const right = next[left] ?? count
    if (right >= count || end[right] !== heap.end) continue
    end[left] = heap.end
    end[right] = 0
    const after = next[right] ?? count
    next[left] = after
    if (after < count) prev[after] = left
    offer(prev[left] ?? -1, left)
    offer(left, after)
  }
  for (let i = 0; i < count; i = next[i] ?? count) {
    const symbol = text.slice(start[i], end[i])
    const id = ids.get(symbol)
    if (id !== undefined) out.push(id)
    else if (vocabulary.bytes) for (const byte of utf8.encode(symbol)) out.push(vocabulary.bytes[byte] ?? vocabulary.unknown)
    else out.push(vocabulary.unknown)
  }
}

interface Symbols {
  readonly start: Int32Array
  readonly end: Int32Array
  readonly frozen: Uint8Array
  readonly count: number
}

function split(text: string, vocabulary: Vocabulary): Symbols {
  const start = new Int32Array(text.length)
  const end = new Int32Array(text.length)
  const frozen = new Uint8Array(text.length)
  let count = 0
  for (let at = 0; at < text.length; ) {
    const unit = text.charCodeAt(at)
    const match = vocabulary.frozen.get(unit)?.find((piece) => text.startsWith(piece, at))
    const length = match?.length ?? (unit >= 0xd800 && unit < 0xdc00 ? 2 : 1)
    start[count] = at
    at += length
    end[count] = at
    frozen[count] = match ? 1 : 0
    count++
  }
  return { start, end, frozen, count }
}

/** A binary heap over parallel arrays (no object per candidate): best score first, then leftmost. */
class CandidateHeap {
  private readonly scores: number[] = []
  private readonly lefts: number[] = []
  private readonly ends: number[] = []
  left = 0
  end = 0

  constructor(private readonly symbols: number) {}

  push(score: number, left: number, end: number): void {
    let i = this.scores.length
    this.scores.push(score)
    this.lefts.push(left)
    this.ends.push(end)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!this.before(score, left, parent)) break
      this.move(parent, i)
      i = parent
    }
    this.set(i, score, left, end)
  }

  /** Takes the best candidate into `left` and `end`; false when none is left. */
  pop(): boolean {
    const last = this.scores.length - 1
    if (last < 0) return false
    this.left = this.lefts[0] ?? this.symbols
    this.end = this.ends[0] ?? 0
    const score = this.scores.pop() ?? 0
    const left = this.lefts.pop() ?? 0
    const end = this.ends.pop() ?? 0
    if (last === 0) return true
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= last) break
      if (child + 1 < last && this.before(this.scores[child + 1] ?? 0, this.lefts[child + 1] ?? 0, child)) child++
      if (this.before(score, left, child)) break
      this.move(child, i)
      i = child
    }
    this.set(i, score, left, end)
    return true
  }

  private before(score: number, left: number, j: number): boolean {
    const other = this.scores[j] ?? 0
    return score > other || (score === other && left < (this.lefts[j] ?? 0))
  }

  private move(from: number, to: number): void {
    this.set(to, this.scores[from] ?? 0, this.lefts[from] ?? 0, this.ends[from] ?? 0)
  }

  private set(i: number, score: number, left: number, end: number): void {
    this.scores[i] = score
    this.lefts[i] = left
    this.ends[i] = end
  }
}
