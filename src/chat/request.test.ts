/** In which order a request is checked and begun, and how it is refused: on nano, whose passes are counted. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { InputError } from '../common/errors.js'
import { packagedModel, packageRoot } from '../common/package-root.js'
import { liveHandles } from '../engine/index.js'
import type { ImageSource } from '../image/source.js'
import { XComposer } from '../inference/xcomposer.js'
import { type ChatMessage, type ChatOptions, chat } from './chat.js'
import { chatBatch } from './chat-batch.js'

let model: XComposer
beforeAll(async () => {
  model = await XComposer.load(packagedModel, { threads: 1 })
})
afterEach(() => void vi.restoreAllMocks())
afterAll(async () => {
  await model.dispose()
  expect(liveHandles().byKind).toEqual({})
})

const house = join(packageRoot, 'examples', 'questions', 'emojione-house.png')
const user = (text: string, ...images: ImageSource[]): ChatMessage => ({
  role: 'user',
  content: [...images.map((image) => ({ type: 'image' as const, image })), { type: 'text' as const, text }],
})

/** Passes of the tower and of the decoder from now on. */
function passes() {
  const [encode, run] = [vi.spyOn(model, 'encodeImages'), vi.spyOn(model.decoder.sessions, 'run')]
  return { encode, run, count: () => [encode.mock.calls.length, run.mock.calls.length] }
}

/** Images that no test has shown to the model before. */
let shade = 0
async function freshImages(n: number): Promise<ImageSource[]> {
  const make = () =>
    sharp({ create: { width: 9, height: 9, channels: 3, background: { r: shade++, g: 7, b: 200 } } })
      .png()
      .toBuffer()
  return Promise.all(Array.from({ length: n }, make))
}

describe('before anything of the model runs', () => {
  it('a prompt that is too long is refused', async () => {
    const counted = passes()
    const asked = [user('word '.repeat(1100), ...(await freshImages(1)))]
    await expect(chat(model, asked).result).rejects.toThrow(/^the prompt takes \d+ positions, at most 1023 fit/)
    await expect(chat(model, asked).result).rejects.toMatchObject({ code: 'context_length_exceeded', exitCode: 2 })
    await expect(chatBatch(model, [asked])).rejects.toMatchObject({ code: 'context_length_exceeded' })
    expect(counted.count()).toEqual([0, 0])
  })

  it('a signal that was aborted ends the request, whatever kind it is', async () => {
    const counted = passes()
    const asked = [user('What is this?', ...(await freshImages(1)))]
    const signal = AbortSignal.abort(new Error('too late'))
    for (const options of [{}, { beams: 2 }, { lookup: true }] satisfies ChatOptions[])
      await expect(chat(model, asked, { ...options, signal }).result).rejects.toThrow('too late')
    await expect(chatBatch(model, [asked], { signal })).rejects.toThrow('too late')
    expect(counted.count()).toEqual([0, 0])
  })

  it.each<[string, ChatOptions, RegExp]>([
    ['an unknown option', { max_tokens: 5 } as ChatOptions, /^options: "max_tokens" is not known here; expected sample, temp/],
    ['no tokens', { maxNewTokens: 0 }, /^max_new_tokens: got 0/],
    ['a temperature below 0', { temperature: -1 }, /^temperature: got -1/],
    ['a penalty of 0', { repetitionPenalty: 0 }, /^repetition_penalty: got 0/],
    ['beams that sample', { beams: 2, topP: 0.5 }, /^beams: beam search does not sample/],
    ['too many beams', { beams: 65 }, /^beams: got 65/],
    ['lookup that samples', { lookup: true, sample: true }, /^lookup: only greedy decoding is speculative/],
    [
      'another overflow',
      { overflow: 'forget' } as unknown as ChatOptions,
      /^overflow: expected error or drop-oldest-turns, got "forget"/,
    ],
  ])('%s is refused', async (_, options, line) => {
    const counted = passes()
    const asking = chat(model, [user('What is this?', ...(await freshImages(1)))], options).result
    await expect(asking).rejects.toThrow(InputError)
    await expect(asking).rejects.toThrow(line)
    expect(counted.count()).toEqual([0, 0])
  })

  it('an image that cannot be used is refused with a code of its own', async () => {
    const counted = passes()
    for (const image of [Buffer.from('<html>'), 'nowhere.png', 'https://example.com/cat.png'])
      await expect(chat(model, [user('What?', image)]).result).rejects.toMatchObject({ code: 'invalid_image', exitCode: 2 })
    await expect(chat(model, [user('What?', Buffer.from('<html>'))]).result).rejects.toThrow(/^message 1, part 1: /)
    expect(counted.count()).toEqual([0, 0])
  })
})

describe('an abort', () => {
  it('ends a long prefill between its chunks', async () => {
    const control = new AbortController()
    const pass = vi.spyOn(model.decoder.sessions, 'pass')
    const answer = chat(model, [user('word '.repeat(450))], { signal: control.signal }).result
    while (pass.mock.calls.length === 0) await new Promise(setImmediate)
    control.abort(new Error('enough'))
    await expect(answer).rejects.toThrow('enough')
    expect(pass.mock.calls.map(([{ tokens }]) => tokens)).toEqual([512])
    expect(model.decoder.living.size).toBe(0)
  })

  it('ends the encoding of many images between two passes of the tower', async () => {
    const control = new AbortController()
    const { encode, run } = passes()
    const answer = chat(model, [user('What are these?', ...(await freshImages(6)))], { signal: control.signal }).result
    while (encode.mock.calls.length === 0) await new Promise(setImmediate)
    control.abort(new Error('enough'))
    await expect(answer).rejects.toThrow('enough')
    expect(encode.mock.calls.map(([, images]) => images)).toEqual([4])
    expect(run).not.toHaveBeenCalled()
  })

  it('by leaving the loop ends the answer at the next pass', async () => {
    const { run } = passes()
    const answer = chat(model, [user('Write a short illustrated article about «The apple».')], { maxNewTokens: 60 })
    for await (const _ of answer) break
    const made = run.mock.calls.length
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(run.mock.calls.length).toBe(made)
    await expect(answer.result).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe('an image', () => {
  it('gives the same answer however it is named', async () => {
    const bytes = readFileSync(house)
    const url = `data:image/png;base64,${bytes.toString('base64')}`
    const openai = { type: 'image_url', image_url: { url } } as const
    const text = { type: 'text', text: 'What is this?' } as const
    const { result } = chat(model, [user('What is this?', { file: house })])
    const wanted = (await result).ids
    expect((await result).text).toContain('house')
    for (const image of [house, pathToFileURL(house), new Uint8Array(bytes), { bytes, name: 'a house' }, url])
      expect((await chat(model, [user('What is this?', image)]).result).ids).toEqual(wanted)
    expect((await chat(model, [{ role: 'user', content: [openai, text] }]).result).ids).toEqual(wanted)
    expect((await chat(model, [user('<ImageHere>What is this?', house)]).result).ids).toEqual(wanted)
  })
})

describe('sampling', () => {
  const asked = [user('Write a short illustrated article about «The apple».')]
  const ids = async (options: ChatOptions) => (await chat(model, asked, { maxNewTokens: 24, ...options }).result).ids

  it('is switched on by sample, temperature, topP or topK, and off by temperature 0 or sample: false', async () => {
    const greedy = await ids({})
    for (const options of [
      { seed: 5 },
      { temperature: 0 },
      { temperature: 0, topP: 0.9 },
      { sample: false, temperature: 2 },
      { topK: 1 },
    ])
      expect(await ids(options)).toEqual(greedy)
    for (const options of [{ sample: true }, { temperature: 1 }, { topP: 0.999 }, { topK: 500 }])
      expect(await Promise.all([1, 2, 3].map((seed) => ids({ ...options, seed })))).not.toEqual([greedy, greedy, greedy])
  })
})
