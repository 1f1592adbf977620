import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StopStrings } from './stop-strings.js'

function run(stops: readonly string[], pieces: readonly string[]) {
  const watch = new StopStrings(stops)
  const given = pieces.map((piece) => watch.push(piece))
  return { text: given.join('') + watch.end(), stopped: watch.stopped, given }
}

describe('stop strings', () => {
  it('end a text before the one that is complete first, however it is cut into pieces', () => {
    const letters = fc.stringMatching(/^[ab]{1,3}$/)
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 12 }), fc.array(letters, { maxLength: 3 }), (pieces, stops) => {
        const whole = pieces.join('')
        // The shortest beginning of the text that ends in a stop string, without the longest that it ends in.
        const ends = Array.from({ length: whole.length }, (_, i) => whole.slice(0, i + 1))
        const end = ends.find((text) => stops.some((s) => text.endsWith(s)))
        const longest = Math.max(0, ...stops.filter((s) => end?.endsWith(s)).map((s) => s.length))
        const { text, stopped } = run(stops, pieces)
        expect(stopped).toBe(end !== undefined)
        expect(text).toBe(end === undefined ? whole : end.slice(0, end.length - longest))
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
