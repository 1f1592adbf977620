import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StopStrings } from './stop-strings.js'

function run(stops: readonly string[], pieces: readonly string[]) {
  const watch = new StopStrings(stops)
  const given = pieces.map((piece) => watch.push(piece))
  return { text: given.join('') + watch.end(), stopped: watch.stopped, given }
}

describe('stop strings', () => {
  it('end a text before the first of them, however it is cut into pieces', () => {
    const letters = fc.stringMatching(/^[ab]{1,3}$/)
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 12 }), fc.array(letters, { maxLength: 3 }), (pieces, stops) => {
        const whole = pieces.join('')
        const places = stops.map((s) => whole.indexOf(s)).filter((i) => i >= 0)
        const { text, stopped } = run(stops, pieces)
        expect(stopped).toBe(places.length > 0)
        expect(text).toBe(places.length > 0 ? whole.slice(0, Math.min(...places)) : whole)
      }),
    )
  })
  it('hold back only what may become one', () => {
    expect(run(['END'], ['one E', 'N two ', 'EN', 'D three']).given).toEqual(['one ', 'EN two ', '', ''])
  })
  it.each([[['']], [['x'.repeat(257)]], [Array.from({ length: 17 }, String)]])('refuse %j', (stops) => {
    expect(() => new StopStrings(stops)).toThrow(/^stop: got /)
  })
})
