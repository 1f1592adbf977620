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
  dispose(): void
}

/** Continuations of one sequence that grow side by side, one id each at every step. */
export interface Branches {
  /**
   * Branch i goes on with `ids[i]` from branch `parents[i]` of the step before; before the first step there is one branch, 0, the
   * sequence itself. A parent may have several children or none. Returns the logits [vocab] after each id.
   */
  step(parents: readonly number[], ids: readonly number[]): Promise<Float32Array[]>
  /** Leaves the sequence as it was. */
  dispose(): void
}

/** A sequence that can be continued in several ways at once: what beam search needs. */
export interface BranchingSequence extends Sequence {
  /** The sequence must not be used in another way until the branches are disposed. */
  branch(): Branches
}

/** A sequence that answers for every id of a step and can take ids back: what speculative decoding needs. */
export interface RewindableSequence extends Sequence {
  /** Appends ids and returns the logits [vocab] after each of them. */
  appendAll(ids: readonly number[]): Promise<Float32Array[]>
  /** Forgets everything behind the first `length` positions. */
  rewind(length: number): void
}
