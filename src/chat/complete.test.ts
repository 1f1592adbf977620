/** Text continued as it stands, and tokens as they come, against generation over the same ids. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { packagedModel } from '../common/package-root.js'
import { liveHandles } from '../engine/index.js'
import { generate } from '../generate/generate.js'
import type { ChosenLogprob } from '../generate/logprobs.js'
import { XComposer } from '../inference/xcomposer.js'
import { chat } from './chat.js'
import { complete } from './complete.js'

let model: XComposer
beforeAll(async () => {
  model = await XComposer.load(packagedModel, { threads: 1 })
})
afterAll(async () => {
  await model.dispose()
  expect(liveHandles().byKind).toEqual({})
})

async function plain(text: string, maxNewTokens: number): Promise<number[]> {
  const ids = [model.tokenizer.bosId, ...(text === '' ? [] : model.tokenizer.encode(text))]
  const { logits, sequence } = await model.prefill([{ kind: 'text', ids }], [])
  const { eosId, endOfTurnId } = model.tokenizer
  const made: number[] = []
  for await (const { id } of generate(logits, sequence, { maxNewTokens, stopIds: [eosId, endOfTurnId] })) made.push(id)
  sequence.dispose()
  return made
}

it.each(['The capital of Kenya is', '法国的首都是', ''])('continues %j as plain generation does', async (text) => {
  const { ids, usage, images } = await complete(model, text, { maxNewTokens: 12 }).result
  expect(ids).toEqual(await plain(text, 12))
  expect(usage).toMatchObject({ imageTokens: 0, completionTokens: ids.length })
  expect(images).toEqual([])
})

it('refuses what is about messages, and a text that does not fit', async () => {
  await expect(complete(model, 'a', { overflow: 'error' } as object).result).rejects.toThrow('"overflow" is not known here')
  await expect(complete(model, 'word '.repeat(3000)).result).rejects.toMatchObject({ code: 'context_length_exceeded' })
})

it('tells of each token before the piece of text that it becomes part of', async () => {
  const heard: [number, ChosenLogprob | undefined][] = []
  let text = ''
  const answer = chat(model, [{ role: 'user', content: '法国的首都是哪里？' }], {
    logprobs: 2,
    maxNewTokens: 20,
    onToken: (id, logprob) => heard.push([id, logprob]),
  })
  for await (const piece of answer) {
    text += piece
    const ids = heard.map(([id]) => id)
    expect(model.tokenizer.decode(ids).startsWith(text.trimEnd()) || model.tokenizer.decode(ids) === text).toBe(true)
  }
  const { ids, logprobs } = await answer.result
  expect(heard).toEqual(ids.map((id, i) => [id, logprobs?.[i]]))
  await expect(chat(model, [{ role: 'user', content: 'a' }], { beams: 2, onToken: () => {} }).result).rejects.toThrow('onToken')
})

it('leaves out what a bias forbids, and says what it forces', async () => {
  const ask = (logitBias: Record<number, number>) =>
    chat(model, [{ role: 'user', content: 'What is the capital of Kenya?' }], { maxNewTokens: 3, logitBias }).result
  const [first = 0] = (await ask({})).ids
  expect((await ask({ [first]: -100 })).ids).not.toContain(first)
  expect((await ask({ 500: 100 })).ids).toEqual([500, 500, 500])
})
