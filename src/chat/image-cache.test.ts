import { expect, it } from 'vitest'
import { ImageCache } from './image-cache.js'

const rows = (n: number) => new Float32Array(n)

it('gives back the same array, and forgets what was not used for longest', () => {
  const cache = new ImageCache(4 * 10)
  const [a, b, c] = [rows(4), rows(4), rows(4)] as const
  cache.set('a', a)
  cache.set('b', b)
  expect(cache.get('a')).toBe(a)
  cache.set('c', c)
  expect(cache.get('b')).toBeUndefined()
  expect(cache.get('a')).toBe(a)
  expect(cache.get('c')).toBe(c)
})

it('does not take what is larger than it, and can be off', () => {
  const cache = new ImageCache(4 * 10)
  cache.set('large', rows(11))
  expect(cache.get('large')).toBeUndefined()
  const off = new ImageCache(0)
  off.set('a', rows(1))
  expect(off.get('a')).toBeUndefined()
})
