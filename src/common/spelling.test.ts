import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { editDistance, misspeltKey, nearest, suggestion } from './spelling.js'

describe('the distance of two words', () => {
  it.each([
    ['model', 'model', 0],
    ['modle', 'model', 1],
    ['mdel', 'model', 1],
    ['models', 'model', 1],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
  ])('of %j and %j is %i', (a, b, distance) => expect(editDistance(a, b)).toBe(distance))

  it('is the same both ways, and at most the longer word', () => {
    const word = fc.string({ maxLength: 8 })
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a))
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length))
      }),
    )
  })
})

describe('the word that was meant', () => {
  const options = ['model', 'image', 'max-tiles', 'max-new-tokens', 'temperature', 'top-p']
  it.each([
    ['modle', 'model'],
    ['Image', 'image'],
    ['max-new-token', 'max-new-tokens'],
    ['temp', 'temperature'],
    ['top-q', 'top-p'],
    ['nonsense', undefined],
    ['x', undefined],
  ])('by %j is %j', (word, meant) => expect(nearest(word, options)).toBe(meant))

  it('is suggested, or nothing is', () => {
    expect(suggestion('modle', options, (name) => `--${name}`)).toBe('; did you mean --model?')
    expect(suggestion('nonsense', options)).toBe('')
  })

  it('is looked for among the keys that are missing only', () => {
    const known = ['hidden_size', 'max_length', 'plora_rank']
    expect(misspeltKey(['hiden_size'], known)).toEqual({ key: 'hiden_size', meant: 'hidden_size' })
    expect(misspeltKey(['hidden_size', 'hidden_sizes'], known)).toBeUndefined()
    expect(misspeltKey(['min_length', 'auto_map'], known)).toBeUndefined()
  })
})
