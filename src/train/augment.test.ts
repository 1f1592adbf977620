/** Augmentation: bytes in range, repeatable, sprites where they should be, fast; and the generator underneath. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hash, permute, random } from '../common/random.js'
import { onWhite, type RasterImage } from '../image/pixels.js'
import { augment, keptForAugment } from './augment.js'

function disc(side: number): RasterImage {
  const data = new Uint8Array(side * side * 4)
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const inside = Math.hypot(x + 0.5 - side / 2, y + 0.5 - side / 2) < side / 2
      data.set(inside ? [220, 20, 20, 255] : [0, 255, 0, 0], (y * side + x) * 4)
    }
  }
  return { width: side, height: side, channels: 4, data }
}

describe('random', () => {
  it('is uniform and depends on every key', () => {
    const r = random(1, 2)
    const draws = Array.from({ length: 20_000 }, () => r.next())
    expect(draws.reduce((a, b) => a + b) / draws.length).toBeCloseTo(0.5, 1)
    const counts = new Array<number>(16).fill(0)
    for (const d of draws) counts[Math.floor(d * 16)] = (counts[Math.floor(d * 16)] ?? 0) + 1
    for (const n of counts) expect(Math.abs(n - 1250)).toBeLessThan(200)
    expect(new Set([hash(1, 2), hash(2, 1), hash(1, 3), hash(1, 2, 0), hash(1, 2 + 2 ** 32)]).size).toBe(5)
  })

  it('permutes every size without loss', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), fc.nat(), (size, key) => {
        expect(new Set(Array.from({ length: size }, (_, i) => permute(i, size, key))).size).toBe(size)
      }),
    )
    const order = (key: number) => Array.from({ length: 100 }, (_, i) => permute(i, 100, key))
    expect(order(1)).not.toEqual(order(2))
    expect(order(1)).not.toEqual(Array.from({ length: 100 }, (_, i) => i))
  })
})

describe('augment', () => {
  it.each(['none', 'sprite', 'photo'] as const)('%s repeats for the same key', (kind) => {
    const flags = { flip: true, shift: true }
    const [a, b] = [1, 1].map((key) => augment(disc(96), kind, 64, random(key), flags))
    expect(a).toEqual(b)
    expect(a).toMatchObject({ width: 64, height: 64 })
    expect(a?.data).toHaveLength(64 * 64 * 3)
  })

  it('varies sprites, keeps them red and near the middle, and never shows hidden colours', () => {
    const seen = new Set<number>()
    for (let key = 0; key < 200; key++) {
      const { data } = augment(disc(96), 'sprite', 64, random(7, key), { keepColour: true })
      let red = 0
      for (let i = 0; i < data.length; i += 3)
        if ((data[i] ?? 0) > 150 && (data[i + 1] ?? 0) < 70 && (data[i + 2] ?? 0) < 70) red++
      expect(red / 4096, `key ${key}`).toBeGreaterThan(0.15)
      seen.add(hash(...data.subarray(0, 3000)))
    }
    expect(seen.size).toBeGreaterThan(120)
  })

  it('handles a 1-pixel sprite, an opaque one and extreme shapes', () => {
    const opaque: RasterImage = { width: 300, height: 2, channels: 3, data: new Uint8Array(1800).fill(9) }
    const one: RasterImage = { width: 1, height: 1, channels: 4, data: Uint8Array.from([1, 2, 3, 128]) }
    for (const image of [opaque, one]) {
      for (const kind of ['none', 'sprite', 'photo'] as const) expect(augment(image, kind, 16, random(3)).data).toHaveLength(768)
    }
  })

  it('composites on white', () => {
    const image: RasterImage = { width: 2, height: 1, channels: 4, data: Uint8Array.from([0, 0, 0, 0, 10, 20, 30, 255]) }
    expect([...onWhite(image).data]).toEqual([255, 255, 255, 10, 20, 30])
  })

  it('leaves colours alone up to jitter in photos', () => {
    const image: RasterImage = { width: 8, height: 8, channels: 3, data: new Uint8Array(192).fill(128) }
    for (let key = 0; key < 50; key++)
      for (const v of augment(image, 'photo', 8, random(key)).data) expect(Math.abs(v - 128)).toBeLessThan(25)
  })

  it.each(['none', 'photo', 'sprite'] as const)(
    'gives of an image kept for %s what it gives of the whole, at any draw',
    (kind) => {
      for (const [side, size] of [
        [96, 32],
        [1500, 64],
      ] as const) {
        const whole = disc(side)
        const kept = keptForAugment(whole, kind, size)
        if (kind !== 'sprite') expect(kept).toMatchObject({ width: size, height: size, channels: 3 })
        else expect(kept.width).toBe(side === 96 ? 96 : 750)
        for (let key = 0; key < 4; key++) {
          const [a, b] = [whole, kept].map((image) => augment(image, kind, size, random(key), { flip: true, shift: true }).data)
          const differences = (a as Uint8Array).map((v, i) => Math.abs(v - (b?.[i] as number)))
          expect(Math.max(...differences)).toBeLessThanOrEqual(kind === 'sprite' && side > 96 ? 2 : 0)
        }
      }
    },
  )
})
