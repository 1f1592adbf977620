import { expect, it } from 'vitest'
import { type EncodedImage, ImageCache } from './image-cache.js'

const image = (n: number): EncodedImage => ({ rows: new Float32Array(n), seen: { width: 1, height: 1, tokens: n } })

it('gives back the same array, and forgets what was not used for longest', () => {
  const cache = new ImageCache(4 * 10)
  const [a, b, c] = [image(4), image(4), image(4)] as const
  cache.set('a', a)
  cache.set('b', b)
  expect(cache.get('a')).toBe(a)
  cache.set('c', c)
  expect(cache.get('b')).toBeUndefined()
  expect(cache.get('a')).toBe(a)
  expect(cache.get('c')).toBe(c)
  expect(cache.statistics).toEqual({ entries: 2, bytes: 32, maxBytes: 40, hits: 3, misses: 0 })
  cache.clear()
  expect(cache.get('a')).toBeUndefined()
  expect(cache.statistics).toMatchObject({ entries: 0, bytes: 0 })
})

it('does not take what is larger than it, and can be off', () => {
  const cache = new ImageCache(4 * 10)
  cache.set('large', image(11))
  expect(cache.get('large')).toBeUndefined()
  const off = new ImageCache(0)
  off.set('a', image(1))
  expect(off.get('a')).toBeUndefined()
})

it('gives what is being computed to all who ask, and counts one miss for it', async () => {
  const cache = new ImageCache()
  const a = image(4)
  cache.begin('a', Promise.resolve(a))
  expect(await cache.find('a')).toBe(a)
  expect(await cache.find('a')).toBe(a)
  expect(cache.statistics).toMatchObject({ entries: 1, hits: 2, misses: 1 })
  cache.begin('b', Promise.reject(new Error('no')))
  await expect(cache.find('b')).rejects.toThrow('no')
  await Promise.resolve()
  expect(cache.find('b')).toBeUndefined()
})
