// Makes nano's data: `node dist/examples/nano/data.js [part...]`; without names, every part but tokenizer and baselines.
// Each part can be run again alone; the same packages give the same files. What training draws by itself is written to files by
// `data.js draw GENERATOR [COUNT [SEED]]` (work/drawn).

import { InputError, XComposerError } from '../../src/common/errors.js'
import { makeBaselines } from './baselines.js'
import { evaluateCharts } from './charts.js'
import { makeComposition, makeSelect } from './composition.js'
import { makeDescribed } from './described.js'
import { writeDrawn } from './drawn-files.js'
import { evaluateCopying, evaluateSingles } from './evaluate.js'
import { evaluateScenes } from './evaluate-scenes.js'
import { makeExampleQuestions } from './examples.js'
import { generators } from './generators.js'
import { makeLanguage, recipeDocuments } from './language.js'
import { makeLibrary } from './library.js'
import { installPackages } from './paths.js'
import { makeSftText } from './sft.js'
import { makeSources } from './sources.js'
import { loadTables } from './tables.js'
import { makeTokenizer } from './tokenizer.js'
import { evaluateWords } from './words.js'
import * as world from './world.js'

const parts: Record<string, () => void | Promise<void>> = {
  language: async () => makeLanguage(await world.book(), world.named(), world.countries(), world.wordnet()),
  described: async () => makeDescribed(await world.book(), await world.things(), world.countries(), world.words()),
  tokenizer: async () => makeTokenizer(await world.book()),
  sft: async () => {
    makeSftText()
    makeComposition(await world.book())
    makeSelect(await world.book(), await world.things())
  },
  eval: async () => {
    world.fonts()
    await evaluateSingles(await world.things(), await world.flags())
    evaluateScenes(await world.things())
    evaluateWords(world.words())
    evaluateCharts()
    evaluateCopying(await generators.copying!())
  },
  baselines: () => makeBaselines(),
  library: async () => makeLibrary(await world.book(), await world.things()),
  examples: () => makeExampleQuestions(),
  sources: async () =>
    makeSources(await world.things(), {
      countries: world.countries().length,
      recipes: recipeDocuments().length,
      tables: loadTables().length,
      glosses: world.wordnet().common().length,
    }),
}
// The shipped model belongs to the shipped tokenizer: it is retrained only when asked for by name.
// The baselines take minutes of pixel search and change nothing else.
const everything = Object.keys(parts).filter((name) => name !== 'tokenizer' && name !== 'baselines')

async function make(names: readonly string[]): Promise<void> {
  for (const name of names)
    if (!parts[name])
      throw new InputError(`unknown part "${name}": expected one of ${[...Object.keys(parts), 'draw'].join(', ')}`)
  for (const name of names) {
    const start = Date.now()
    await parts[name]?.()
    console.log(`${name}: ${((Date.now() - start) / 1000).toFixed(1)} s`)
  }
}

async function main([first, ...rest]: readonly string[]): Promise<void> {
  installPackages()
  if (first === 'draw') await writeDrawn(rest[0] ?? '', Number(rest[1] ?? 100), Number(rest[2] ?? 1))
  else await make(first === undefined ? everything : [first, ...rest])
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof XComposerError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = error.exitCode
}
