// Samples of the generators as files, for whoever wants to look at them or to train elsewhere: a PNG a sample, a record a question.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { InputError } from '../../src/common/errors.js'
import type { RasterImage } from '../../src/image/pixels.js'
import { generators } from './generators.js'
import { workRoot } from './paths.js'
import { encodePng } from './png.js'
import { type DialogueRecord, dialogue, writeJsonl } from './records.js'
import { linkInto } from './sprites.js'

function saved(image: RasterImage | string, path: string): string {
  // A sprite is linked, not written again.
  if (typeof image === 'string') return linkInto('drawn', relative(workRoot, image))
  const file = join(workRoot, 'drawn', path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, encodePng(image.data, image.width, image.height, image.channels))
  return path
}

/**
 * Writes the first `count` samples of a seed to work/drawn/NAME.jsonl, the pictures below work/drawn/img.
 * @throws InputError for a name that no generator has, or a count below 1
 */
export async function writeDrawn(name: string, count: number, seed = 1): Promise<void> {
  const open = generators[name]
  if (!open) throw new InputError(`unknown generator "${name}": expected one of ${Object.keys(generators).join(', ')}`)
  if (!(Number.isInteger(count) && count > 0))
    throw new InputError(`draw ${name}: expected a number of samples from 1 on, got ${count}`)
  const generator = await open()
  const records: DialogueRecord[] = []
  for (let n = 0; n < count; n++) {
    const { image, questions, flip, keepColour } = generator.draw(seed, n)
    const images = image === undefined ? [] : [saved(image, `img/${name}/${seed}-${n}.png`)]
    for (const [i, { question, answer }] of questions.entries())
      records.push({
        ...dialogue(`${name}-${seed}-${n}-${i}`, [{ q: question, a: answer }], images, flip),
        ...(keepColour ? { keepColour } : {}),
      })
  }
  writeJsonl(`drawn/${name}.jsonl`, records)
}
