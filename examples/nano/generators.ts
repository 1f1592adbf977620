// What nano is trained on, drawn sample by sample: the module that its recipes name. Each generator opens only what it needs.
import type { GeneratorModule } from '../../src/data/drawn.js'
import { drawnCharts } from './charts.js'
import { drawnCopying } from './copying.js'
import { drawnFlags, drawnThings } from './naming.js'
import { drawnCaptions, drawnCounting, drawnScenes } from './scene-samples.js'
import { drawnShapes } from './shapes.js'
import { drawnWords, someText } from './words.js'
import { drawnWordy } from './wordy.js'
import * as world from './world.js'

export const generators: GeneratorModule['generators'] = {
  things: async () => drawnThings(await world.things(), await world.book()),
  flags: async () => drawnFlags(await world.flags()),
  words: () => {
    world.fonts()
    return drawnWords(world.words())
  },
  scenes: async () => drawnScenes(await world.things()),
  counting: async () => drawnCounting(await world.things()),
  charts: () => drawnCharts(world.trainingTables()),
  shapes: () => drawnShapes(),
  captions: async () => drawnCaptions(await world.things()),
  wordy: async () => drawnWordy(await world.things(), await world.flags(), await world.book()),
  copying: () => {
    const words = world.words()
    return drawnCopying({
      names: [...world.concepts(), ...world.named().filter(({ group }) => group !== 2 && group !== 9)],
      countries: world.countries(),
      english: [
        ...world
          .wordnet()
          .common()
          .map((gloss) => gloss.lemma),
        ...words,
      ],
      text: (rng) => someText(words, rng),
    })
  },
}
