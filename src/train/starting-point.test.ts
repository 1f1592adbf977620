/** Starting from a block-quantised model: its weights as floats, in the order that training uses them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { writeRandomModel } from '../../tests/support/random-model.js'
import { openModel, readParameter } from '../model/open-checkpoint.js'
import { quantizeModel } from '../quantize/quantize-model.js'
import type { Recipe } from './recipe.js'
import { startingPoint } from './starting-point.js'

const made: string[] = []
afterAll(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true })
})

describe('a run that starts from a block-quantised model', () => {
  it.each([8, 4] as const)('reads every tensor as floats, within the rounding of %i bits of the float model', async (bits) => {
    const dir = writeRandomModel()
    const blocks = mkdtempSync(join(tmpdir(), 'xcomposer-blocks-'))
    made.push(dir, blocks)
    await quantizeModel(dir, blocks, { bits, blockSize: 32 })
    const start = startingPoint({ start: { from: blocks }, tokenizer: 'tokenizer.model' } as Recipe)
    const model = openModel(dir)
    expect(start.specs.map((s) => s.name)).toEqual(model.specs.map((s) => s.name))
    expect(start.notices.join()).toContain('are stored in blocks')
    expect(start.configJson).not.toHaveProperty('quantization_config')
    expect(start.config.quantization).toBeNull()
    for (const { name } of model.specs) {
      const [wanted, got] = [readParameter(model, name), start.initial.get(name) as Float32Array]
      const size = Math.hypot(...wanted)
      const error = Math.hypot(...wanted.map((v, i) => v - (got[i] as number)))
      expect(error, name).toBeLessThanOrEqual(size * (bits === 8 ? 0.01 : 0.12))
    }
  })
})
