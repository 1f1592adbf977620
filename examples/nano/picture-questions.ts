// Questions about a picture of one thing that are not its name, from what is known of the thing.
import { hasUse } from './articles.js'
import type { Concept } from './concepts.js'
import { kinds } from './kinds.js'
import { ask, type Colour, slots } from './questions.js'
import type { Random } from './random.js'
import type { Qa } from './records.js'
import type { ConceptSprites } from './sprites.js'

/** @param main the colour that covers most of the picture, if any */
export function conceptSideQuestions(
  concept: Concept,
  others: readonly ConceptSprites[],
  main: Colour | undefined,
  rng: Random,
): Qa[] {
  const kind = kinds.get(concept.subgroup)
  const other = rng.pick(others).concept
  const out: Qa[] = [
    { q: slots(rng.pick(ask.isIt.en), { n: concept.en }), a: 'Yes' },
    { q: slots(rng.pick(ask.isIt.zh), { n: concept.zh }), a: '是' },
  ]
  if (other.en !== concept.en)
    out.push(
      { q: slots(rng.pick(ask.isIt.en), { n: other.en }), a: 'No' },
      { q: slots(rng.pick(ask.isIt.zh), { n: other.zh }), a: '不是' },
    )
  if (kind) {
    out.push({ q: rng.pick(ask.kind.en), a: kind.en }, { q: rng.pick(ask.kind.zh), a: kind.zh })
    if (hasUse(concept)) out.push({ q: rng.pick(ask.use.en), a: kind.useEn }, { q: rng.pick(ask.use.zh), a: kind.useZh })
  }
  if (main) out.push({ q: rng.pick(ask.colour.en), a: main.en }, { q: rng.pick(ask.colour.zh), a: main.zh })
  if (concept.tagsEn.length >= 2) out.push({ q: ask.keywords.en[0], a: concept.tagsEn.slice(0, 3).join(', ') })
  if (concept.tagsZh.length >= 2) out.push({ q: ask.keywords.zh[0], a: concept.tagsZh.slice(0, 3).join('、') })
  return out
}
