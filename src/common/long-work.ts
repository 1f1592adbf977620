/** Work that takes minutes: how it is followed, and how it is ended in between. */

export interface LongWork {
  /** Bytes written so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void
  /** Ends the work: what was begun is removed, and the signal's reason thrown. */
  readonly signal?: AbortSignal
}

/** Between two pieces of work. Code that never waits for anything would not learn of an interrupt. @throws the signal's reason */
export async function pause(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  signal?.throwIfAborted()
}
