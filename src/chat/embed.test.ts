/** Embeddings against the hidden states that a pass with all of them gives. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { packagedModel, packageRoot } from '../common/package-root.js'
import { liveHandles } from '../engine/index.js'
import { promptRows } from '../inference/prompt-rows.js'
import { XComposer } from '../inference/xcomposer.js'
import type { PromptPart } from '../text/prompt.js'
import { embed } from './embed.js'
import { encodeMessageImages } from './images.js'

let model: XComposer
beforeAll(async () => {
  model = await XComposer.load(packagedModel, { threads: 1 })
})
afterAll(async () => {
  await model.dispose()
  expect(liveHandles().byKind).toEqual({})
})

const house = join(packageRoot, 'examples', 'questions', 'emojione-house.png')

/** The mean of the last hidden states behind the first position, of length 1. */
async function plain(parts: PromptPart[], features: Float32Array[]): Promise<number[]> {
  const { rows, tokens, imageColumns } = promptRows(model.decoder, parts, features)
  const sequence = model.decoder.sequence()
  const step = { embeddings: rows, tokens, imageColumns, logitColumns: [], hidden: true }
  const { hidden } = await model.decoder.sessions.run(step, sequence.cache)
  sequence.dispose()
  const width = model.config.decoder.hiddenSize
  const last = hidden.at(-1) as Float32Array
  const mean = Array.from({ length: width }, (_, i) => {
    let sum = 0
    for (let row = 1; row < tokens; row++) sum += last[row * width + i] as number
    return sum / (tokens - 1)
  })
  const length = Math.sqrt(mean.reduce((sum, x) => sum + x * x, 0))
  return mean.map((x) => x / length)
}

const close = (a: Float32Array, b: readonly number[]) => {
  expect(a).toHaveLength(b.length)
  for (const [i, x] of a.entries()) expect(x).toBeCloseTo(b[i] as number, 5)
}

it('of a text is the mean over its positions, the same for its ids', async () => {
  const text = 'What is the capital of Kenya?'
  const ids = model.tokenizer.encode(text)
  const { vector, tokens } = await embed(model, { text })
  expect(tokens).toBe(ids.length)
  close(vector, await plain([{ kind: 'text', ids: [model.tokenizer.bosId, ...ids] }], []))
  expect((await embed(model, { ids })).vector).toEqual(vector)
})

it('of an image is the mean over its rows, the same from a path and from bytes', async () => {
  const { vector, tokens } = await embed(model, { image: house })
  const features = await encodeMessageImages(model, [house])
  const parts: PromptPart[] = [
    { kind: 'text', ids: [model.tokenizer.bosId] },
    { kind: 'image', image: 0, tokens },
  ]
  close(vector, await plain(parts, features))
  expect((await embed(model, { image: readFileSync(house) })).vector).toEqual(vector)
})

it('of what does not fit, of nothing and of unknown ids is refused', async () => {
  await expect(embed(model, { text: '' })).rejects.toThrow('input: expected a text that is not empty')
  await expect(embed(model, { ids: [] })).rejects.toThrow('at least one token id')
  await expect(embed(model, { ids: [9, 1e6] })).rejects.toThrow('token id 1000000 is outside the vocabulary')
  await expect(embed(model, { text: 'word '.repeat(3000) })).rejects.toMatchObject({ code: 'context_length_exceeded' })
  await expect(embed(model, { ids: Array(model.contextLength).fill(300) })).rejects.toMatchObject({
    code: 'context_length_exceeded',
  })
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(embed(model, { text: 'a' }, { signal })).rejects.toThrow('enough')
})
