/**
 * BM25 ranking (Robertson and Zaragoza 2009, k1 = 1.2, b = 0.75) over short texts held in memory. Knows no images: a
 * document is its number. Equal scores keep the order of the documents, so a search always answers the same.
 */
import { tokens } from './tokens.js'

const k1 = 1.2
const b = 0.75
const longestQuery = 4000

/** A part of a document and how much a match in it counts. */
export interface Field {
  readonly text: string
  readonly weight: number
}

export interface Hit {
  readonly document: number
  readonly score: number
}

/** Every document that shares a term with the query, best first. */
export type Search = (query: string) => Hit[]

/** Index documents, each a list of fields; the answer searches them. */
export function buildIndex(documents: ReadonlyArray<readonly Field[]>): Search {
  const postings = new Map<string, Map<number, number>>()
  const lengths = documents.map((fields, document) => {
    let length = 0
    for (const field of fields) {
      for (const token of tokens(field.text)) {
        const counts = postings.get(token.text) ?? new Map<number, number>()
        counts.set(document, (counts.get(document) ?? 0) + field.weight)
        postings.set(token.text, counts)
        length += field.weight * token.weight
      }
    }
    return length
  })
  const meanLength = lengths.reduce((sum, n) => sum + n, 0) / Math.max(1, lengths.length) || 1

  return (query) => {
    const scores = new Map<number, number>()
    const terms = new Map(tokens(query.slice(0, longestQuery)).map((token) => [token.text, token.weight]))
    for (const [term, weight] of terms) {
      const counts = postings.get(term)
      if (counts === undefined) continue
      const idf = Math.log(1 + (documents.length - counts.size + 0.5) / (counts.size + 0.5))
      for (const [document, count] of counts) {
        const norm = k1 * (1 - b + (b * (lengths[document] ?? 0)) / meanLength)
        const score = (weight * idf * count * (k1 + 1)) / (count + norm)
        scores.set(document, (scores.get(document) ?? 0) + score)
      }
    }
    return [...scores]
      .map(([document, score]) => ({ document, score }))
      .sort((x, y) => y.score - x.score || x.document - y.document)
  }
}
