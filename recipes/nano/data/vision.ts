// The vision warm-up's labels: each training picture of one thing with its name first. The objective takes the first answer as the
// picture's class.
import { kinds } from './kinds.js'
import { mayFlip } from './naming.js'
import { random } from './random.js'
import { type DialogueRecord, dialogue, writeJsonl } from './records.js'
import { type ConceptSprites, type FlagSprites, linkInto } from './sprites.js'

/** One record a sprite: name and kind in English and Chinese; flags with the country. */
export function makeVisionWords(things: readonly ConceptSprites[], flags: readonly FlagSprites[]): void {
  const rng = random('vision')
  const records: DialogueRecord[] = []
  for (const { concept, training } of things) {
    const kind = kinds.get(concept.subgroup)
    for (const sprite of training) {
      const turns = [
        { q: 'What is this?', a: concept.en },
        { q: '这是什么？', a: concept.zh },
      ]
      if (kind) turns.push({ q: 'What kind of thing is it?', a: kind.en }, { q: '它属于哪一类？', a: kind.zh })
      const image = linkInto('pretrain', sprite.file)
      records.push(dialogue(`words${records.length}`, turns, [image], mayFlip(concept.subgroup, concept.icon)))
    }
  }
  for (const { country, training } of flags)
    for (const sprite of training) {
      const turns = [
        { q: 'Which country has this flag?', a: country.en },
        { q: '这是哪个国家的国旗？', a: country.zh },
      ]
      records.push(dialogue(`words${records.length}`, turns, [linkInto('pretrain', sprite.file)]))
    }
  writeJsonl('pretrain/vision-words.jsonl', rng.shuffle(records))
}
