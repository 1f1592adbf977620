import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { smallConfig, writeRandomModel } from '../../tests/support/random-model.js'
import { InputError } from '../common/errors.js'
import { divergence } from './divergence.js'
import { quantizeModel } from './quantize-model.js'

const tokenizer = fileURLToPath(new URL('../../models/nano/tokenizer.model', import.meta.url))
const dirs: string[] = []
const model = () => {
  const dir = writeRandomModel({ ...smallConfig, vocab_size: 6000 })
  copyFileSync(tokenizer, join(dir, 'tokenizer.model'))
  dirs.push(dir)
  return dir
}
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true })
})
const text = 'The capital of France is Paris. 法国的首都是巴黎。'.repeat(12)

it('of a model from itself is nothing', async () => {
  const dir = model()
  const d = await divergence(dir, dir, text)
  expect(d.tokens).toBeGreaterThan(200)
  expect(Math.abs(d.kl)).toBeLessThan(1e-9)
  expect(d.agreement).toBe(1)
  expect(d.perplexity.other).toBe(d.perplexity.reference)
  // Random weights know nothing: about as many choices as there are tokens.
  expect(d.perplexity.reference).toBeGreaterThan(3000)
})

it('grows with the rounding', async () => {
  const dir = model()
  const [fine, coarse] = await Promise.all(
    ([8, 4] as const).map(async (bits) => {
      const out = `${dir}-q${bits}`
      dirs.push(out)
      await quantizeModel(dir, out, { bits, blockSize: 32 })
      return divergence(dir, out, text)
    }),
  )
  expect(fine?.kl).toBeGreaterThan(0)
  expect(coarse?.kl).toBeGreaterThan(4 * (fine?.kl ?? 0))
})

it('needs a text', async () => {
  const dir = model()
  await expect(divergence(dir, dir, 'a')).rejects.toThrow(InputError)
})
