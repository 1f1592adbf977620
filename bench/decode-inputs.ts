/** What the decode benchmark runs on: a prompt, a test picture, and the model's own weights for the peer. */
import { join } from 'node:path'
import sharp from 'sharp'
import { writeSafetensors } from '../src/checkpoint/safetensors.js'
import { InputError } from '../src/common/errors.js'
import { random } from '../src/common/random.js'
import { openModel, readParameter } from '../src/model/open-checkpoint.js'

/** Prompt positions before the first new token. */
export const PROMPT_TOKENS = 64

/** Ordinary ids, the same in every run; the time of a step does not depend on which. */
export function promptIds(vocabularySize: number, length = PROMPT_TOKENS): number[] {
  const draw = random(2, 0)
  return Array.from({ length }, () => 260 + draw.below(vocabularySize - 260))
}

/** A picture of coloured noise at camera size, other noise for every seed, so that nothing can be reused. */
export async function writePicture(dir: string, seed: number): Promise<string> {
  const [width, height] = [640, 480]
  const draw = random(2, 1, seed)
  const small = Uint8Array.from({ length: 8 * 6 * 3 }, () => draw.below(256))
  const file = join(dir, `picture-${seed}.png`)
  await sharp(small, { raw: { width: 8, height: 6, channels: 3 } })
    .resize(width, height)
    .png()
    .toFile(file)
  return file
}

/**
 * Writes the decoder's weights as float32 and the prompt for the peer.
 * @throws InputError for a model stored in blocks: its float peer would not be the same model
 */
export function writeDecoder(dir: string, model: string, ids: readonly number[]): string {
  const checkpoint = openModel(model)
  const specs = checkpoint.specs.filter((s) => s.part === 'decoder')
  const blocks = specs.find((s) => checkpoint.formats.has(s.name))
  if (blocks) throw new InputError(`${model}: tensor "${blocks.name}" is quantised; the PyTorch peer needs a float model`)
  const file = join(dir, 'decode.safetensors')
  writeSafetensors(file, [
    ...specs.map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const, data: () => readParameter(checkpoint, name) })),
    { name: 'prompt.ids', dtype: 'I32', shape: [ids.length], data: Int32Array.from(ids) },
  ])
  return file
}
