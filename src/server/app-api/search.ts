/** What a search box holds, as terms, and the words around what was found. */

export interface SearchTerms {
  readonly all: readonly string[]
  /** Three characters and more: what the trigram index can find. */
  readonly long: readonly string[]
  readonly short: readonly string[]
}

const MAX_TERMS = 8
/** Characters before what was found, and in all. */
const BEFORE = 24
const EXCERPT = 96

/** Terms are separated by white space; control characters are none. */
export function searchTerms(query: string): SearchTerms {
  const all = query
    .replace(/\p{Cc}|\p{Cs}/gu, ' ')
    .split(/\s+/u)
    .filter((term) => term !== '')
    .slice(0, MAX_TERMS)
  const isLong = (term: string) => [...term].length >= 3
  return { all, long: all.filter(isLong), short: all.filter((term) => !isLong(term)) }
}

/** One line of `text` around the first term that it holds. */
export function excerpt(text: string, { all }: SearchTerms): string {
  const line = [...text.replace(/\s+/gu, ' ')]
  const folded = line.map((character) => character.toLowerCase()).join('')
  const places = all.map((term) => folded.indexOf(term.toLowerCase())).filter((at) => at >= 0)
  const at = [...folded.slice(0, Math.max(0, Math.min(...places, folded.length)))].length
  const from = places.length === 0 ? 0 : Math.max(0, at - BEFORE)
  const to = Math.min(line.length, from + EXCERPT)
  return `${from > 0 ? '…' : ''}${line.slice(from, to).join('')}${to < line.length ? '…' : ''}`
}
