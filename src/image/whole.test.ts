import sharp, { type Sharp } from 'sharp'
import { describe, expect, it } from 'vitest'
import { seemsWhole } from './whole.js'

const noise = () =>
  sharp({ create: { width: 90, height: 70, channels: 3, background: '#888', noise: { type: 'gaussian', mean: 128, sigma: 40 } } })
const formats: [string, (image: Sharp) => Sharp][] = [
  ['JPEG', (image) => image.jpeg()],
  ['progressive JPEG', (image) => image.jpeg({ progressive: true })],
  ['PNG', (image) => image.png()],
  ['WebP', (image) => image.webp()],
  ['GIF', (image) => image.gif()],
]

describe.each(formats)('a %s', (_, as) => {
  it('seems whole as it was written, and not when any of its end is cut', async () => {
    const bytes = await as(noise()).toBuffer()
    expect(seemsWhole(bytes, 'x')).toBe(true)
    for (let length = bytes.length - 1; length > 700; length -= 97) expect(seemsWhole(bytes.subarray(0, length), 'x')).toBe(false)
  })
})

it("a JPEG with a preview is not taken for whole by the preview's end; what is appended does not matter", async () => {
  const preview = await noise().resize(20).jpeg().toBuffer()
  const bytes = await noise().jpeg().toBuffer()
  const comment = Buffer.concat([Buffer.from([0xff, 0xfe, (preview.length + 2) >> 8, (preview.length + 2) & 255]), preview])
  const both = Buffer.concat([bytes.subarray(0, 2), comment, bytes.subarray(2)])
  expect(seemsWhole(both, 'x')).toBe(true)
  expect(seemsWhole(both.subarray(0, both.length - 300), 'x')).toBe(false)
  expect(seemsWhole(Buffer.concat([both, Buffer.from('motion photo')]), 'x')).toBe(true)
})
