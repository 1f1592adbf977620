import { describe, expect, it } from 'vitest'
import { parseModelConfig } from '../src/model/config.js'
import { presets } from '../src/model/presets.js'
import { best } from './image.js'
import { configJson, flatPrompt } from './image-inputs.js'
import { factsLine } from './model-facts.js'

describe('what the peer of the image benchmark is told', () => {
  it('is a complete config.json, which reads as the same network', () => {
    for (const [name, preset] of Object.entries(presets)) {
      const config = parseModelConfig(preset, name)
      const refine = parseModelConfig(configJson(config), name)
      expect(refine.decoder).toEqual(config.decoder)
      expect(refine.maxLength).toBe(config.maxLength)
      expect(refine.vision && { ...refine.vision, tiled: false }).toEqual(config.vision && { ...config.vision, tiled: false })
    }
  })

  it('is a prompt with a filled place for the picture', () => {
    const parts = [
      { kind: 'text' as const, ids: [1, 7] },
      { kind: 'image' as const, image: 0, tokens: 3 },
      { kind: 'text' as const, ids: [8] },
    ]
    const { ids, image } = flatPrompt(parts, 2)
    expect([...ids]).toEqual([1, 7, 2, 2, 2, 8])
    expect([...image]).toEqual([2, 3, 4])
  })
})

describe('the better of two peers', () => {
  const side = (firstMs: number, decodeMs: number) => ({ peer: [{ firstMs, decodeMs }] })
  const [quick, fluent] = [side(10, 9), side(20, 3)]

  it('is chosen by each measure, whichever comes first', () => {
    for (const sides of [
      [quick, fluent],
      [fluent, quick],
    ]) {
      expect(best(sides, (t) => t.firstMs, 'less')).toBe(quick)
      expect(best(sides, (t) => 1 / t.decodeMs, 'more')).toBe(fluent)
    }
  })

  it('is our own runs where there is no peer', () => {
    const alone = { peer: [] }
    expect(best([alone], (t) => t.firstMs, 'less')).toBe(alone)
  })
})

it('a model is described by its size and its bits', () => {
  const model = { blockSize: null, imageTokens: null }
  expect(factsLine({ ...model, parameters: 2.449e9, bits: 4 })).toBe('2.45 B parameters, 4 bits')
  expect(factsLine({ ...model, parameters: 5_752_736, bits: 32 })).toBe('5.75 M parameters, float32')
})
