/**
 * What generation needs of a model: a sequence that grows by ids and answers with logits. Generation knows nothing of KV
 * caches, sessions or images; the prompt (ids or image rows) is in the sequence before generation starts.
 */

/** One growing sequence with its KV cache. It has one owner, who disposes it. */
export interface Sequence {
  /** Positions so far, prompt included. */
  readonly length: number
  /** Appends ids and returns the logits [vocab] after the last of them. The array is the caller's to keep. */
  append(ids: readonly number[]): Promise<Float32Array>
  /** An independent sequence with the same contents, owned by the caller. */
  fork(): Promise<Sequence>
  dispose(): void
}

/** A sequence that answers for every id of a step and can take ids back: what guessing ahead needs. */
export interface RewindableSequence extends Sequence {
  /** Appends ids and returns the logits [vocab] after each of them. */
  appendAll(ids: readonly number[]): Promise<Float32Array[]>
  /** Forgets everything behind the first `length` positions. */
  rewind(length: number): void
}
