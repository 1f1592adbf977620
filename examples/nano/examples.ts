// The demo's questions: the first ones of every evaluation set, whatever the model makes of them; and, for people, a larger view of
// those pictures that were rendered from a vector.
import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import sharp, { type Sharp } from 'sharp'
import { XComposerError } from '../../src/common/errors.js'
import { iconSvg, trainingVendors, unseenVendor, type Vendor } from './concepts.js'
import { repositoryRoot, workRoot, writeWhole } from './paths.js'
import type { EvalRecord } from './records.js'

const shares = { naming_known: 4, naming_unseen: 2, flags: 3, ocr: 2, pointing: 2, counting: 2, charts: 3 } as const
/** Side of a larger view in pixels: a card of the demo on a screen with two pixels for each of its own. */
const largeSize = 448

/** Writes examples/questions.jsonl, its pictures and their larger views. Needs work/eval and the icon sets. */
export async function makeExampleQuestions(): Promise<void> {
  const records = Object.entries(shares).flatMap(([set, count]) => first(set, count))
  const root = join(repositoryRoot, 'examples')
  const lines: EvalRecord[] = []
  for (const record of records) {
    const images: string[] = []
    for (const image of record.images) {
      const name = `${basename(dirname(image))}-${basename(image, '.png')}`
      const picture = readFileSync(join(workRoot, 'eval', image))
      writeWhole(join(root, 'questions', `${name}.png`), picture)
      const large = await largerView(basename(dirname(image)), basename(image, '.png'), picture)
      if (large) writeWhole(join(root, 'questions', 'large', `${name}.webp`), large)
      images.push(`questions/${name}.png`)
    }
    lines.push({ ...record, images })
  }
  writeWhole(join(root, 'questions.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  writeWhole(
    join(root, 'questions', 'CREDITS.md'),
    `# Credits

The first questions of every evaluation set of \`recipes/nano\`, with their pictures. Drawings of things and flags come from these icon
sets, rendered on white or into scenes; the file names say which: emojione (EmojiTwo, CC BY 4.0), fluent-emoji-flat (Microsoft, MIT),
noto and noto-v1 (Google, Apache-2.0), twemoji (Twitter, CC BY 4.0), openmoji (OpenMoji, CC BY-SA 4.0), flag-icons (MIT). Words are set in Nunito
(OFL-1.1); charts are drawn from tables of vega-datasets (BSD-3-Clause). \`large/\` has the same drawings in ${largeSize}x${largeSize}, for people: no model is shown them.
`,
  )
  console.log(`examples/questions.jsonl: ${lines.length} questions`)
}

/**
 * The drawing of `picture` in a larger size, as WebP on white; nothing where it was not rendered from an icon.
 * @throws XComposerError where the icon is another drawing
 */
async function largerView(vendor: string, name: string, picture: Uint8Array): Promise<Uint8Array | undefined> {
  const vendors: readonly Vendor[] = [...trainingVendors, unseenVendor]
  const known = vendors.find((other) => other === vendor)
  if (!known) return undefined
  // Some sets call a flag so.
  const names = [name, name.replace(/^flag-/, 'flag-for-'), name.replace(/^flag-/, 'flag-for-flag-')]
  const svg = names.map((other) => iconSvg(known, other)).find((found) => found !== undefined)
  if (svg === undefined) return undefined
  const small = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  const again = await onWhite(svg, small.info.width).removeAlpha().raw().toBuffer()
  const apart = again.reduce((sum, value, i) => sum + Math.abs(value - (small.data[i] ?? 0)), 0) / again.length
  if (apart > 1) throw new XComposerError(`${vendor}/${name}: the icon is another drawing than the picture of the evaluation`)
  return onWhite(svg, largeSize).webp({ quality: 90, effort: 6 }).toBuffer()
}

function onWhite(svg: string, size: number): Sharp {
  const sized = svg.replace(/<svg /, `<svg width="${size}" height="${size}" `)
  return sharp(Buffer.from(sized)).resize(size, size, { fit: 'contain', background: '#0000' }).flatten({ background: '#ffffff' })
}

/** The first questions of a set, its tasks (languages, held-out drawings) in turn. */
function first(set: string, count: number): EvalRecord[] {
  const all = readFileSync(join(workRoot, 'eval', `${set}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as EvalRecord)
  const tasks = [...new Set(all.map(({ task }) => task))].sort().map((task) => all.filter((record) => record.task === task))
  return Array.from({ length: count }, (_, i) => tasks[i % tasks.length]?.[Math.floor(i / tasks.length)]).filter(
    (record) => record !== undefined,
  )
}
