/**
 * What a text is searched by: English and other alphabetic words, folded and lightly stemmed, and Chinese characters as
 * single characters and pairs, since Chinese has no spaces to split at. Knows nothing of documents or scores.
 */

/** A searchable piece of text. Single Chinese characters weigh less than pairs: 岸 alone says little. */
export interface Token {
  readonly text: string
  readonly weight: number
}

const singleCharacterWeight = 0.35
const stopWords = new Set(
  'a an and are as at be by for from has in into is it its of on or that the their this to was were will with'.split(' '),
)
const stopCharacters = new Set('的了在是和与及着个一之其这那也就都而有上下中里')
const cjk = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}'
const runs = new RegExp(`[${cjk}]+|(?:(?![${cjk}])[\\p{L}\\p{M}\\p{N}])+`, 'gu')
const startsCjk = new RegExp(`^[${cjk}]`, 'u')

/** The tokens of a text in order, repeated as often as they occur. */
export function tokens(text: string): Token[] {
  return [...text.normalize('NFKC').toLowerCase().matchAll(runs)].flatMap(([run]) =>
    startsCjk.test(run) ? characterTokens([...run]) : wordTokens(run),
  )
}

function wordTokens(word: string): Token[] {
  return stopWords.has(word) ? [] : [{ text: stem(word), weight: 1 }]
}

function characterTokens(characters: readonly string[]): Token[] {
  return characters.flatMap((character, i) => {
    const next = characters[i + 1]
    const single = stopCharacters.has(character) ? [] : [{ text: character, weight: singleCharacterWeight }]
    return next === undefined ? single : [...single, { text: character + next, weight: 1 }]
  })
}

/** Plural to singular, nothing more: `boxes` -> `box`, `cherries` -> `cherry`, `lakes` -> `lake`; `glass`, `bus` stay. */
export function stem(word: string): string {
  if (word.length <= 3 || !/[a-z]s$/.test(word) || /(ss|us|is)$/.test(word)) return word
  if (word.length > 4 && word.endsWith('ies')) return `${word.slice(0, -3)}y`
  if (/(ss|x|z|ch|sh|o)es$/.test(word)) return word.slice(0, -2)
  return word.slice(0, -1)
}
