/** Training images: decoded once, kept as small as augmentation allows, and read as a question's image is. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { random } from '../common/random.js'
import { normalise } from '../image/preprocess.js'
import { readImageFile } from '../image/read-file.js'
import { towerInput } from '../image/tower-input.js'
import { augment } from './augment.js'
import { ImageStore } from './dataset-images.js'

const SIZE = 28
const dir = mkdtempSync(join(tmpdir(), 'dataset-images-'))
const path = (name: string) => join(dir, name)
afterAll(() => rmSync(dir, { recursive: true }))

const noise = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#888', noise: { type: 'gaussian', mean: 128, sigma: 60 } } })

beforeAll(async () => {
  await noise(90, 60).withMetadata({ orientation: 6 }).jpeg().toFile(path('turned.jpg'))
  await noise(600, 900).withMetadata({ orientation: 8 }).jpeg().toFile(path('large.jpg'))
  await noise(50, 70).ensureAlpha(0.3).png().toFile(path('clear.png'))
  await noise(50, 70).tiff({ compression: 'lzw' }).withIccProfile('p3').toFile(path('wide.tif'))
})

describe('an image in training', () => {
  it.each(['turned.jpg', 'large.jpg', 'clear.png', 'wide.tif'])(
    '%s has the very floats that it has in a question',
    async (name) => {
      const store = new ImageStore(SIZE, 1e6)
      const trained = normalise(augment(await store.get(path(name), 'none'), 'none', SIZE, random(1)))
      expect(trained).toEqual(await towerInput(await readImageFile(path(name)), { size: SIZE, maxTiles: 0 }))
    },
  )

  it('is decoded once, whatever its size, while the squares fit', async () => {
    const square = 3 * SIZE * SIZE
    const store = new ImageStore(SIZE, 2 * square)
    for (const name of ['a.jpg', 'b.jpg', 'c.jpg']) await noise(1200, 800).jpeg().toFile(path(name))
    const [a, b] = [
      await store.get(path('a.jpg'), 'photo'),
      await store.get(path('b.jpg'), 'none'),
      await store.get(path('c.jpg'), 'none'),
    ]
    for (const name of ['a.jpg', 'b.jpg', 'c.jpg']) rmSync(path(name))
    expect(await store.get(path('a.jpg'), 'none')).toBe(a)
    expect(await store.get(path('b.jpg'), 'photo')).toBe(b)
    expect(a.data).toHaveLength(square)
    await expect(store.get(path('c.jpg'), 'none')).rejects.toThrow(/c\.jpg: cannot be read \(ENOENT\)/)
  })

  it('that is a cut-out keeps its alpha and, up to a megapixel, its size', async () => {
    const store = new ImageStore(SIZE, 1e9)
    const kept = await store.get(path('clear.png'), 'sprite')
    expect(kept).toMatchObject({ width: 50, height: 70, channels: 4 })
    await noise(1600, 1200).ensureAlpha(0.3).png({ compressionLevel: 1 }).toFile(path('poster.png'))
    expect(await store.get(path('poster.png'), 'sprite')).toMatchObject({ width: 800, height: 600, channels: 4 })
  })
})
