/**
 * Counts native handles, so that a test can ask for zero at the end. Every OrtValue, session and mapping is made through
 * an owner that calls `opened` once and `closed` once.
 */

const live = new Map<string, number>()

/** Notes that a native handle of this kind now exists. */
export function opened(kind: string): void {
  live.set(kind, (live.get(kind) ?? 0) + 1)
}

/** Notes that it was released. */
export function closed(kind: string): void {
  live.set(kind, (live.get(kind) ?? 0) - 1)
}

/** Native handles alive in this process, by kind and in total. */
export function liveHandles(): { readonly total: number; readonly byKind: Readonly<Record<string, number>> } {
  const byKind = Object.fromEntries([...live].filter(([, n]) => n !== 0))
  return { total: [...live.values()].reduce((a, b) => a + b, 0), byKind }
}
