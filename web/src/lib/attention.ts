/** Attention over image tokens, ready to be shown. */

/** The mean of several layers, place by place. */
export function meanOf(maps: readonly (readonly number[])[]): number[] {
  const [first = []] = maps
  return first.map((_, i) => maps.reduce((sum, map) => sum + (map[i] ?? 0), 0) / maps.length)
}

/** The most attended place: its index, and its part of what all places have. */
export function mostAttended(map: readonly number[]): { at: number; part: number } {
  const sum = map.reduce((total, value) => total + value, 0)
  const at = map.reduce((best, value, i) => (value > (map[best] ?? 0) ? i : best), 0)
  return { at, part: sum > 0 ? (map[at] ?? 0) / sum : 0 }
}

/** Shares as 0..1, the most attended place being 1; small ones are lifted so that the eye can tell them from none. */
export function brightness(map: readonly number[]): number[] {
  const most = Math.max(...map)
  return map.map((value) => (most > 0 ? Math.sqrt(Math.max(0, value) / most) : 0))
}
