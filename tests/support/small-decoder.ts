/** A small decoder for the tests of one file, and how far its logits may be from each other. */
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, expect } from 'vitest'
import { liveHandles } from '../../src/engine/index.js'
import { DecoderRuntime, type LoadOptions } from '../../src/inference/decoder-runtime.js'
import { openModel } from '../../src/model/open-checkpoint.js'
import { smallConfig, writeRandomModel } from './random-model.js'

/** The ordinary graph on two rows at once and on one differs by up to 1.3e-4 in these logits, which reach 17: other products, other sums. */
export const ROUNDING = 5e-4

/** Largest difference between elements of the same place. */
export function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((m, x, i) => Math.max(m, Math.abs(x - (b[i] as number))), 0)
}

/** The decoder, there from beforeAll on; at the end nothing native may be left. */
export function smallDecoder(config: object = smallConfig, options: LoadOptions = {}): { readonly model: DecoderRuntime } {
  const dir = writeRandomModel(config)
  let loaded: DecoderRuntime | undefined
  beforeAll(() => {
    loaded = new DecoderRuntime(openModel(dir), { threads: 1, ...options })
  })
  afterAll(() => {
    loaded?.dispose()
    rmSync(dir, { recursive: true })
    expect(liveHandles().byKind).toEqual({})
  })
  return {
    get model() {
      if (!loaded) throw new Error('the small decoder is loaded in beforeAll')
      return loaded
    },
  }
}
