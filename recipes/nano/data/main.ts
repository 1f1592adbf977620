// Makes nano's data: `node dist/recipes/nano/data/main.js [part...]`, all parts when none is named. Each part can be
// run again alone; the same packages give the same files.
import { encyclopaedia } from './articles.js'
import { loadConcepts } from './concepts.js'
import { loadCountries } from './countries.js'
import { makeLanguage } from './language.js'
import { InputError } from '../../../src/errors.js'
import { registerFonts } from './drawing.js'
import { makeFlags, makeNaming } from './naming.js'
import { makeCaptions, makeCounting, makeGrounding, evaluateScenes } from './scenes.js'
import { makeShapes } from './shapes.js'
import { evaluateWords, makeWords } from './words.js'
import { evaluateSingles } from './evaluate.js'
import { evaluateCharts, makeCharts } from './charts.js'
import { type ConceptSprites, conceptSprites, type FlagSprites, flagSprites } from './sprites.js'
import { installPackages } from './paths.js'
import { makeTokenizer } from './tokenizer.js'
import { loadWordNet } from './wordnet.js'

function world() {
  const { concepts, named } = loadConcepts()
  const wordnet = loadWordNet()
  return { book: encyclopaedia(concepts, wordnet), named, wordnet, countries: loadCountries() }
}
type World = ReturnType<typeof world>

let sprites: { things: ConceptSprites[]; flags: FlagSprites[] } | undefined
/** Rendered pictures, made on first use and cached in work/sprites. */
async function pictures(w: World) {
  registerFonts()
  sprites ??= { things: await conceptSprites(w.book.concepts), flags: await flagSprites(w.countries) }
  return sprites
}

const wordSource = (w: World): string[] => w.named.map((n) => n.en)

const parts: Record<string, (w: World) => void | Promise<void>> = {
  language: (w) => makeLanguage(w.book, w.named, w.countries, w.wordnet),
  tokenizer: (w) => makeTokenizer(w.book),
  naming: async (w) => makeNaming((await pictures(w)).things, w.book),
  flags: async (w) => makeFlags((await pictures(w)).flags),
  grounding: async (w) => makeGrounding((await pictures(w)).things),
  counting: async (w) => makeCounting((await pictures(w)).things),
  ocr: async (w) => {
    await pictures(w)
    makeWords(w.wordnet, wordSource(w))
  },
  shapes: () => makeShapes(),
  caption: async (w) => makeCaptions((await pictures(w)).things),
  charts: () => makeCharts(),
  eval: async (w) => {
    const { things, flags } = await pictures(w)
    await evaluateSingles(things, flags)
    evaluateScenes(things)
    evaluateWords(w.wordnet, wordSource(w))
    evaluateCharts()
  },
}
/** Names for several parts at once. */
const groups: Record<string, string[]> = { pretrain: ['naming', 'flags', 'grounding', 'counting', 'ocr', 'shapes', 'caption', 'charts'] }
// The shipped model belongs to the shipped tokenizer: it is retrained only when asked for by name.
const everything = Object.keys(parts).filter((name) => name !== 'tokenizer')

installPackages()
const asked = process.argv.slice(2).flatMap((name) => groups[name] ?? [name])
for (const name of asked)
  if (!parts[name]) throw new InputError(`unknown part "${name}": expected one of ${[...Object.keys(parts), ...Object.keys(groups)].join(', ')}`)
const made = world()
for (const name of asked.length > 0 ? asked : everything) {
  const start = Date.now()
  await parts[name]?.(made)
  console.log(`${name}: ${((Date.now() - start) / 1000).toFixed(1)} s`)
}
