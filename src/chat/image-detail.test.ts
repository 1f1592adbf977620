import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { smallConfig, writeRandomModel } from '../../tests/support/random-model.js'
import { packagedModel, packageRoot } from '../common/package-root.js'
import { XComposer } from '../inference/xcomposer.js'
import { countTokens } from './chat.js'

it('each image of a message has its own number of tiles, or the one of the request', async () => {
  const dir = writeRandomModel({ ...smallConfig, vocab_size: 6000, prompt_bos: 'first', hd: true })
  copyFileSync(join(packagedModel, 'tokenizer.model'), join(dir, 'tokenizer.model'))
  const model = await XComposer.load(dir, { threads: 1 })
  try {
    const image = join(packageRoot, 'examples', 'questions', 'emojione-house.png')
    const positions = async (maxTiles: number | undefined, ...own: (number | undefined)[]) => {
      const content = own.map((tiles) => ({ type: 'image' as const, image, ...(tiles === undefined ? {} : { maxTiles: tiles }) }))
      const options = maxTiles === undefined ? {} : { maxTiles }
      return (await countTokens(model, [{ role: 'user', content }], options)).imageTokens
    }
    const [one, four, most] = [
      await positions(1, undefined),
      await positions(4, undefined),
      await positions(undefined, undefined),
    ]
    expect(one).toBeLessThan(four)
    expect(four).toBeLessThan(most)
    expect(await positions(undefined, 1, 4, undefined)).toBe(one + four + most)
    expect(await positions(4, 1, undefined)).toBe(one + four)
  } finally {
    await model.dispose()
    rmSync(dir, { recursive: true })
  }
})
