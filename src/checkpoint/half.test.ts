import { describe, expect, it } from 'vitest'
import { narrowBF16, narrowF16, widenBF16, widenF16 } from './half.js'

const all = Uint16Array.from({ length: 65536 }, (_, i) => i)
const isNaN16 = (h: number, exponentMask: number, fractionMask: number) =>
  (h & exponentMask) === exponentMask && (h & fractionMask) !== 0

/** A binary16 from its definition. */
function f16(h: number): number {
  const sign = h & 0x8000 ? -1 : 1
  const e = (h >> 10) & 31
  const f = h & 0x3ff
  if (e === 31) return f ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (e === 0 ? f * 2 ** -24 : (1 + f / 1024) * 2 ** (e - 15))
}

describe('half precision', () => {
  it('widens every binary16 to the value its definition gives', () => {
    const out = new Float32Array(65536)
    widenF16(all, out)
    for (let h = 0; h < 65536; h++) if (!Object.is(out[h], f16(h))) throw new Error(`${h}: ${out[h]}, expected ${f16(h)}`)
  })

  it.each([
    ['F16', widenF16, narrowF16, 0x7c00, 0x3ff],
    ['BF16', widenBF16, narrowBF16, 0x7f80, 0x7f],
  ] as const)('narrows every widened %s back to the same bits', (_, widen, narrow, exponent, fraction) => {
    const wide = new Float32Array(65536)
    widen(all, wide)
    const back = narrow(wide)
    for (let h = 0; h < 65536; h++) {
      if (isNaN16(h, exponent, fraction)) expect(isNaN16(back[h] as number, exponent, fraction)).toBe(true)
      else if (back[h] !== h) throw new Error(`${h} became ${back[h]}`)
    }
  })

  it('rounds a binary16 to the nearest, and ties to the even one', () => {
    for (let h = 0; h < 0x7bff; h++) {
      const [low, high] = [f16(h), f16(h + 1)]
      const middle = (low + high) / 2
      const step = middle * 2 ** -20
      const [tie, below, above] = narrowF16(Float32Array.of(middle, middle - step, middle + step))
      if (tie !== (h & 1 ? h + 1 : h) || below !== h || above !== h + 1)
        throw new Error(`between ${h} and ${h + 1}: ${below} ${tie} ${above}`)
    }
    expect([...narrowF16(Float32Array.of(65519.996, 65520, -1e9, 2 ** -25, 2 ** -26, -0))]).toEqual([
      0x7bff, 0x7c00, 0xfc00, 0, 0, 0x8000,
    ])
  })

  it('rounds a bfloat16 to the nearest, and ties to the even one', () => {
    const bits = Uint32Array.of(0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x7f7fffff, 0x7f800001)
    expect([...narrowBF16(new Float32Array(bits.buffer))]).toEqual([0x3f80, 0x3f82, 0x3f81, 0x3f80, 0x7f80, 0x7fc0])
  })
})
