/** Prompts that are cut into pieces have the bits of the whole: on nano, whose weights are quantised. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { packagedModel } from '../common/package-root.js'
import { liveHandles } from '../engine/index.js'
import type { PromptPart } from '../text/prompt.js'
import { isLeftOver, PIECE_ROWS, pieceRows } from './pieces.js'
import { XComposer } from './xcomposer.js'

let model: XComposer
beforeAll(async () => {
  model = await XComposer.load(packagedModel, { threads: 1, prefixCacheBytes: 0 })
})
afterAll(async () => {
  await model.dispose()
  expect(liveHandles().byKind).toEqual({})
})

it('pieces add up to the whole, and only the row that is left over in the whole is left over, behind others', () => {
  const whole = fc.oneof(fc.integer({ min: 1, max: 600 }), fc.constantFrom(1, 33, 64, 65, 66, 97, 129, 193))
  fc.assert(
    fc.property(whole, fc.infiniteStream(fc.constantFrom(PIECE_ROWS, 2 * PIECE_ROWS, Number.POSITIVE_INFINITY)), (rows, most) => {
      const cut: number[] = []
      for (let left = rows; left > 0; left -= cut.at(-1) as number) cut.push(pieceRows(left, rows, most.next().value))
      expect(cut.reduce((a, b) => a + b)).toBe(rows)
      expect(cut.slice(0, -1).filter(isLeftOver)).toEqual([])
      expect(isLeftOver(cut.at(-1) as number)).toBe(isLeftOver(rows))
      if (rows > 1) expect(Math.min(...cut)).toBeGreaterThan(1)
    }),
  )
})

it('is no larger than asked for, but for a row that must not be alone', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), (rows) => {
      for (let left = rows, next: number; left > 0; left -= next) {
        next = pieceRows(left, rows, PIECE_ROWS)
        expect(next).toBeLessThanOrEqual(next === left ? 65 : PIECE_ROWS)
      }
    }),
  )
})

it('a prompt in pieces has the logits of the whole prompt, to the bit, and so has what follows', async () => {
  const image = new Float32Array(64 * 128).map((_, i) => Math.sin(i * i))
  const text = (length: number, seed: number): PromptPart => ({
    kind: 'text',
    ids: Array.from({ length }, (_, i) => 300 + ((i * 37 + seed * 101) % 5000)),
  })
  const length = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constantFrom(1, 2, 63, 64, 65, 66, 97, 129, 520))
  const cuts = fc.infiniteStream(fc.constantFrom(PIECE_ROWS, PIECE_ROWS, Number.POSITIVE_INFINITY))
  await fc.assert(
    fc.asyncProperty(length, fc.boolean(), length, cuts, async (before, shows, behind, cut) => {
      const parts = [text(before, 1), ...(shows ? [{ kind: 'image' as const, image: 0, tokens: 64 }, text(behind, 2)] : [])]
      const ends: Uint8Array[] = []
      for (const pieces of [false, true]) {
        const most = vi.spyOn(model.decoder.scheduler, 'mostRows', 'get')
        most.mockImplementation(() => (pieces ? cut.next().value : Number.POSITIVE_INFINITY))
        const { logits, sequence } = await model.prefill(parts, [image])
        const next = await sequence.append([400])
        sequence.dispose()
        ends.push(Buffer.concat([Buffer.from(logits.buffer), Buffer.from(next.buffer)]))
        most.mockRestore()
      }
      expect(ends[0]?.length).toBeGreaterThan(0)
      expect(Buffer.compare(ends[0] as Uint8Array, ends[1] as Uint8Array)).toBe(0)
    }),
    { numRuns: 40 },
  )
})
