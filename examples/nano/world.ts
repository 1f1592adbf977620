// What the samples are made of, each read or rendered once a thread, when it is first asked for.
import { type Encyclopaedia, encyclopaedia } from './articles.js'
import { type Concept, loadConcepts, type Named } from './concepts.js'
import { type Country, loadCountries } from './countries.js'
import { registerFonts } from './drawing.js'
import { agreedColours, type ConceptSprites, conceptSprites, type FlagSprites, flagSprites } from './sprites.js'
import { loadTables, type Table, tableHeldOut } from './tables.js'
import { loadWordNet, type WordNet } from './wordnet.js'
import { wordList } from './words.js'

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

const emoji = once(loadConcepts)
/** Every concept that can be named. */
export const concepts = (): readonly Concept[] => emoji().concepts
/** Every emoji with a name in both languages. */
export const named = (): readonly Named[] => emoji().named
export const wordnet: () => WordNet = once(loadWordNet)
export const countries: () => readonly Country[] = once(loadCountries)
/** Everyday words of one to seven letters. */
export const words: () => readonly string[] = once(() =>
  wordList(
    wordnet(),
    named().map((n) => n.en),
  ),
)
/** Registers the fonts. */
export const fonts: () => void = once(registerFonts)
export const things: () => Promise<readonly ConceptSprites[]> = once(() => conceptSprites(concepts()))
export const flags: () => Promise<readonly FlagSprites[]> = once(() => flagSprites(countries()))
export const book: () => Promise<Encyclopaedia> = once(async () =>
  encyclopaedia(concepts(), wordnet(), agreedColours(await things())),
)
/** Tables that training may draw. */
export const trainingTables: () => readonly Table[] = once(() => loadTables().filter((table) => !tableHeldOut(table.id)))
