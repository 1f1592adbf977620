// The vision warm-up's labels: each training picture of one thing with its name first, then the words that it shares with other
// things. The objective takes the first answer as the picture's class and the others, split at commas, as its words.
import { kinds } from './kinds.js'
import { mayFlip } from './naming.js'
import { ask, palette } from './questions.js'
import { random } from './random.js'
import { type DialogueRecord, dialogue, type Qa, writeJsonl } from './records.js'
import { type ConceptSprites, type FlagSprites, linkInto } from './sprites.js'

/** One record a sprite: name, kind, colour and keywords; flags with the country. */
export function makeVisionWords(things: readonly ConceptSprites[], flags: readonly FlagSprites[]): void {
  const rng = random('vision')
  const records: DialogueRecord[] = []
  // The names alone, each language a record: what pictures are aligned with.
  const names: DialogueRecord[] = []
  const name = (image: string, flip: boolean, en: Qa, zh: Qa): void => {
    for (const turn of [en, zh]) names.push(dialogue(`name${names.length}`, [turn], [image], flip))
  }
  for (const { concept, training, extra } of things) {
    const kind = kinds.get(concept.subgroup)
    const tags = concept.tagsEn.slice(0, 5).join(', ')
    for (const sprite of [...training, ...extra]) {
      const main = sprite.colour === undefined ? undefined : palette[sprite.colour]
      const turns: Qa[] = [{ q: ask.name.en[0], a: concept.en }]
      if (kind) turns.push({ q: ask.kind.en[0], a: kind.en })
      if (main) turns.push({ q: ask.colour.en[0], a: main.en })
      if (tags) turns.push({ q: ask.keywords.en[0], a: tags })
      const image = linkInto('pretrain', sprite.file)
      const flip = mayFlip(concept.subgroup, concept.icon)
      records.push(dialogue(`words${records.length}`, turns, [image], flip))
      name(image, flip, turns[0] as Qa, { q: ask.name.zh[0], a: concept.zh })
    }
  }
  for (const { country, training } of flags)
    for (const sprite of training) {
      const turns: Qa[] = [
        { q: ask.flag.en[0], a: country.en },
        { q: ask.kind.en[0], a: 'flag' },
      ]
      const image = linkInto('pretrain', sprite.file)
      records.push(dialogue(`words${records.length}`, turns, [image]))
      name(image, false, turns[0] as Qa, { q: ask.flag.zh[0], a: country.zh })
    }
  writeJsonl('pretrain/vision-words.jsonl', rng.shuffle(records))
  writeJsonl('pretrain/vision-names.jsonl', rng.shuffle(names))
}
