import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { duration, profileSvg } from './profile-svg.js'

describe('the picture of a profile', () => {
  const bars = (svg: string) =>
    [...svg.matchAll(/<rect x="([\d.]+)" y="62" width="([\d.]+)"/g)].map((m) => [Number(m[1]), Number(m[2])])

  it('stacks its parts without gaps, each as wide as its share', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.01, max: 1e5, noNaN: true }), { minLength: 1, maxLength: 6 }), (times) => {
        const total = times.reduce((a, b) => a + b, 0)
        const drawn = bars(
          profileSvg(
            't',
            's',
            times.map((ms, i) => ({ name: `part ${i}`, ms })),
          ),
        )
        expect(drawn).toHaveLength(times.length)
        let x = 20
        drawn.forEach(([at, width], i) => {
          expect(at).toBeCloseTo(x, 1)
          expect(width).toBeCloseTo((720 * (times[i] as number)) / total, 1)
          x += (720 * (times[i] as number)) / total
        })
      }),
    )
  })

  it('names each part with its time and its share', () => {
    const svg = profileSvg('Title', 'Sub', [
      { name: 'tower', ms: 900 },
      { name: 'prefill', ms: 2100 },
    ])
    for (const text of ['Title', 'Sub', 'tower', '900 ms', '30 %', 'prefill', '2.10 s', '70 %'])
      expect(svg).toContain(`>${text}<`)
  })

  it('takes any text for text', () => {
    const svg = profileSvg('<script>', 'a & "b"', [{ name: '</text>', ms: 1 }])
    expect(svg).not.toContain('<script>')
    expect(svg).not.toContain('</text></text>')
    expect(svg).toContain('a &#38; &#34;b&#34;')
  })
})

it.each([
  [0.123, '0.12 ms'],
  [12.34, '12.3 ms'],
  [345.6, '346 ms'],
  [1234, '1.23 s'],
  [12345, '12.3 s'],
])('%d ms reads "%s"', (ms, wanted) => expect(duration(ms)).toBe(wanted))
