// Makes nano's data: `node dist/examples/nano/data.js [part...]`; without names, every part but tokenizer and baselines.
// Each part can be run again alone; the same packages give the same files.

import { InputError } from '../../src/common/errors.js'
import { encyclopaedia } from './articles.js'
import { makeBaselines } from './baselines.js'
import { evaluateCharts, makeCharts } from './charts.js'
import { makeComposition, makeSelect } from './composition.js'
import { loadConcepts } from './concepts.js'
import { loadCountries } from './countries.js'
import { makeDescribed } from './described.js'
import { registerFonts } from './drawing.js'
import { evaluateSingles } from './evaluate.js'
import { makeExampleQuestions } from './examples.js'
import { makeLanguage, recipeDocuments } from './language.js'
import { makeLibrary } from './library.js'
import { makeFlags, makeNaming } from './naming.js'
import { installPackages } from './paths.js'
import { evaluateScenes, makeCaptions, makeCounting, makeGrounding } from './scenes.js'
import { makeSft } from './sft.js'
import { makeShapes } from './shapes.js'
import { makeSources } from './sources.js'
import { agreedColours, conceptSprites, flagSprites } from './sprites.js'
import { loadTables } from './tables.js'
import { makeTokenizer } from './tokenizer.js'
import { makeVisionWords } from './vision.js'
import { loadWordNet } from './wordnet.js'
import { evaluateWords, makeWords } from './words.js'

async function world() {
  const { concepts, named } = loadConcepts()
  const wordnet = loadWordNet()
  const countries = loadCountries()
  registerFonts()
  const things = await conceptSprites(concepts)
  return { book: encyclopaedia(concepts, wordnet, agreedColours(things)), named, wordnet, countries, things }
}
type World = Awaited<ReturnType<typeof world>>

const wordSource = (w: World): string[] => w.named.map((n) => n.en)

const parts: Record<string, (w: World) => void | Promise<void>> = {
  language: (w) => makeLanguage(w.book, w.named, w.countries, w.wordnet),
  described: (w) => makeDescribed(w.book, w.things, w.countries, w.wordnet, wordSource(w)),
  tokenizer: (w) => makeTokenizer(w.book),
  naming: (w) => makeNaming(w.things, w.book),
  flags: async (w) => makeFlags(await flagSprites(w.countries)),
  vision: async (w) => makeVisionWords(w.things, await flagSprites(w.countries)),
  grounding: (w) => makeGrounding(w.things),
  counting: (w) => makeCounting(w.things),
  ocr: (w) => makeWords(w.wordnet, wordSource(w)),
  shapes: () => makeShapes(),
  caption: (w) => makeCaptions(w.things),
  charts: () => makeCharts(),
  sft: async (w) => {
    const { things } = w
    const flags = await flagSprites(w.countries)
    makeSft(w.book, things, flags)
    makeComposition(w.book)
    makeSelect(w.book, things)
  },
  eval: async (w) => {
    const { things } = w
    const flags = await flagSprites(w.countries)
    await evaluateSingles(things, flags)
    evaluateScenes(things)
    evaluateWords(w.wordnet, wordSource(w))
    evaluateCharts()
  },
  baselines: () => makeBaselines(),
  library: (w) => makeLibrary(w.book, w.things),
  examples: () => makeExampleQuestions(),
  sources: (w) =>
    makeSources(w.things, {
      countries: w.countries.length,
      recipes: recipeDocuments().length,
      tables: loadTables().length,
      glosses: w.wordnet.common().length,
    }),
}
/** Names for several parts at once. */
const groups: Record<string, string[]> = {
  pretrain: ['naming', 'flags', 'vision', 'grounding', 'counting', 'ocr', 'shapes', 'caption', 'charts'],
}
// The shipped model belongs to the shipped tokenizer: it is retrained only when asked for by name.
// The baselines take minutes of pixel search and change nothing else.
const everything = Object.keys(parts).filter((name) => name !== 'tokenizer' && name !== 'baselines')

installPackages()
const asked = process.argv.slice(2).flatMap((name) => groups[name] ?? [name])
for (const name of asked)
  if (!parts[name])
    throw new InputError(`unknown part "${name}": expected one of ${[...Object.keys(parts), ...Object.keys(groups)].join(', ')}`)
const made = await world()
for (const name of asked.length > 0 ? asked : everything) {
  const start = Date.now()
  await parts[name]?.(made)
  console.log(`${name}: ${((Date.now() - start) / 1000).toFixed(1)} s`)
}
