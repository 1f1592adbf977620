// The demo library: held-out pictures (OpenMoji) with names, captions and credits, as small WebP on white.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import type { Encyclopaedia } from './articles.js'
import { kinds } from './kinds.js'
import { repositoryRoot, workRoot, writeWhole } from './paths.js'
import { random } from './random.js'
import { type ConceptSprites, spriteSize } from './sprites.js'
import { themes } from './themes.js'

const credit = 'OpenMoji (openmoji.org), CC BY-SA 4.0'

/** Writes examples/library: every concept of the hand-written themes, then a spread over all kinds, `count` in all. */
export async function makeLibrary(book: Encyclopaedia, things: readonly ConceptSprites[], count = 360): Promise<void> {
  const rng = random('library')
  const wanted = new Set(themes.flatMap((theme) => theme.icons))
  const drawn = things.filter((t) => t.unseen)
  const chosen = drawn.filter((t) => wanted.has(t.concept.icon))
  const rest = rng.shuffle(drawn.filter((t) => !wanted.has(t.concept.icon)))
  const perKind = new Map<string, number>()
  for (const thing of chosen) perKind.set(thing.concept.subgroup, (perKind.get(thing.concept.subgroup) ?? 0) + 1)
  while (chosen.length < count && rest.length > 0) {
    // The kind with the fewest pictures so far gets the next one, so that every subject finds something.
    rest.sort((a, b) => (perKind.get(a.concept.subgroup) ?? 0) - (perKind.get(b.concept.subgroup) ?? 0))
    const next = rest.shift()!
    perKind.set(next.concept.subgroup, (perKind.get(next.concept.subgroup) ?? 0) + 1)
    chosen.push(next)
  }
  const folder = join(repositoryRoot, 'examples', 'library')
  mkdirSync(folder, { recursive: true })
  const entries = []
  for (const { concept, unseen } of chosen.sort((a, b) => (a.concept.icon < b.concept.icon ? -1 : 1))) {
    if (!unseen) continue
    const kind = kinds.get(concept.subgroup)
    const file = `${concept.icon}.webp`
    const data = await sharp(join(workRoot, unseen.file))
      .flatten({ background: '#ffffff' })
      .resize(spriteSize, spriteSize)
      .webp({ quality: 82, effort: 6 })
      .toBuffer()
    writeWhole(join(folder, file), data)
    const main = book.colour(concept)
    entries.push({
      file,
      name: { en: concept.en, zh: concept.zh },
      caption: {
        en: `A drawing of the ${concept.en}${kind ? `, one of the ${kind.pluralEn}` : ''}${concept.tagsEn.length > 0 ? `: ${concept.tagsEn.slice(0, 4).join(', ')}` : ''}.`,
        zh: `${concept.zh}的图画${kind ? `，属于${kind.zh}` : ''}${concept.tagsZh.length > 0 ? `：${concept.tagsZh.slice(0, 4).join('、')}` : ''}。`,
      },
      ...(main ? { colour: { en: main.en, zh: main.zh } } : {}),
      credit,
    })
  }
  writeWhole(join(folder, 'library.json'), `${JSON.stringify(entries, null, 1)}\n`)
  writeWhole(
    join(folder, 'CREDITS.md'),
    `# Credits\n\nThe ${entries.length} pictures in this folder are emoji designed by [OpenMoji](https://openmoji.org), licensed\n[CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/), taken from the package @iconify-json/openmoji and rendered on\nwhite at 96x96 as WebP by \`examples/nano/library.ts\`. Changes: rasterised, background added. The pictures stay under\nCC BY-SA 4.0. Names and keywords come from Unicode CLDR (Unicode License v3) and emojibase (MIT).\n\nNo picture of this style was used to train the nano model.\n`,
  )
  console.log(`examples/library: ${entries.length} pictures`)
}
