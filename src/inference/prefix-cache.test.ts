/** What a prompt takes over from the prompt before it gives the logits of the whole prompt, to the bit: on nano, whose weights are quantised. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packagedModel } from '../common/package-root.js'
import { liveHandles } from '../engine/index.js'
import type { PromptPart } from '../text/prompt.js'
import { reusable } from './prefix-cache.js'
import { XComposer } from './xcomposer.js'

let model: XComposer
const image = new Float32Array(64 * 128).map((_, i) => Math.sin(i * i))
beforeAll(async () => {
  model = await XComposer.load(packagedModel, { threads: 1 })
})
afterAll(async () => {
  await model.dispose()
  expect(liveHandles().byKind).toEqual({})
})

const text = (length: number, seed: number): PromptPart => ({
  kind: 'text',
  ids: Array.from({ length }, (_, i) => 300 + ((i * 37 + seed * 101) % 5000)),
})
/** Lengths around those at which the engine has a row left over. */
const length = fc.oneof(fc.integer({ min: 1, max: 140 }), fc.constantFrom(1, 2, 63, 64, 65, 66, 128, 129, 130))
const beginning = fc
  .tuple(length, fc.boolean(), length)
  .map(([before, shows, behind]): PromptPart[] => [
    text(before, 1),
    ...(shows ? [{ kind: 'image' as const, image: 0, tokens: 64 }, text(behind, 2)] : []),
  ])
const end = fc.option(length, { nil: undefined })

describe('a prompt that begins as the one before', () => {
  it('has the logits of the same prompt alone, whatever the one before went on with', async () => {
    let reused = 0
    await fc.assert(
      fc.asyncProperty(beginning, end, end, fc.boolean(), async (begins, first, second, long) => {
        const more = long ? [text(390, 3)] : []
        const before = [...begins, ...more, ...(first ? [text(first, 4)] : [])]
        const now = [...begins, ...more, ...(second ? [text(second, 5)] : [])]
        model.prefixes.clear()
        const alone = await model.prefill(now, [image])
        alone.sequence.dispose()
        model.prefixes.put((await model.prefill(before, [image])).sequence)
        const again = await model.prefill(now, [image])
        reused += again.cachedTokens > 0 ? 1 : 0
        again.sequence.dispose()
        expect(Buffer.from(again.logits.buffer).equals(Buffer.from(alone.logits.buffer))).toBe(true)
      }),
      { numRuns: 60 },
    )
    expect(reused).toBeGreaterThan(20)
  })
})

describe('what is reused', () => {
  const ids = (n: number) => Array.from({ length: n }, (_, i) => i)
  it.each([
    ['all that is common', ids(40), [...ids(30), 99, 98], 30],
    ['never the last position', ids(40), ids(40), 38],
    ['nothing of another beginning', ids(40), [7, ...ids(40)], 0],
    ['not the row that was left over', [...ids(65), 7], [...ids(65), 7, 8, 9], 64],
  ])('is %s', (_, kept, content, wanted) => {
    expect(reusable(kept, kept.length === 66 ? 65 : kept.length, content)).toBe(wanted)
  })
})
