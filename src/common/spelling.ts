/** Which of the words that are known a misspelt one was meant to be. */

/** Words shorter than this are too easily near each other. */
const SHORTEST = 3

/** The candidate nearest to `word`: within a third of its letters, or beginning with it; undefined where none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: { readonly candidate: string; readonly distance: number } | undefined
  for (const candidate of candidates) {
    if (candidate === word) return candidate
    const begun = word.length >= SHORTEST && candidate.startsWith(word)
    const distance = begun ? 1 : editDistance(word.toLowerCase(), candidate.toLowerCase())
    const near = distance <= Math.max(1, Math.floor(word.length / 3)) && word.length >= SHORTEST
    if (near && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { candidate, distance }
  }
  return best?.candidate
}

/** `; did you mean X?`, or nothing where no candidate is near. */
export function suggestion(word: string, candidates: Iterable<string>, show = (found: string) => found): string {
  const found = nearest(word, candidates)
  return found === undefined ? '' : `; did you mean ${show(found)}?`
}

/**
 * A key that is one slip away from a known key that is missing, and the key that was meant: for objects in which unknown keys are
 * otherwise let be, such as a config.json of another tool.
 */
export function misspeltKey(given: readonly string[], known: readonly string[]): { key: string; meant: string } | undefined {
  for (const key of given) {
    if (known.includes(key) || key.length < 5) continue
    const meant = known.find((name) => !given.includes(name) && editDistance(key.toLowerCase(), name) <= 1)
    if (meant !== undefined) return { key, meant }
  }
  return undefined
}

/** Letters to add, take away, change, or swap with their neighbour (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = (above[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min((above[j] as number) + 1, (row[j - 1] as number) + 1, changed)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j] as number, (before[j - 2] as number) + 1)
    }
    before = above
    above = row
  }
  return above[b.length] as number
}
