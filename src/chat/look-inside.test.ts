/** A look inside against chat, against a checkpoint whose PLoRA is zero, and against attention written out in plain TypeScript. */
import { copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tokenizerFile } from '../../tests/support/command-line.js'
import { smallConfig, writeRandomModel } from '../../tests/support/random-model.js'
import { writeSafetensors } from '../checkpoint/safetensors.js'
import { readTensor } from '../checkpoint/tensors.js'
import { packagedModel } from '../common/package-root.js'
import { liveHandles } from '../engine/index.js'
import { XComposer } from '../inference/xcomposer.js'
import { parseModelConfig } from '../model/config.js'
import { openModel } from '../model/open-checkpoint.js'
import { tiledTokens, tileIndex } from '../model/vision/tile-merge.js'
import { chat } from './chat.js'
import { imageViews } from './image-views.js'
import { type Inside, type LookInsideOptions, lookInside } from './look-inside.js'
import type { ChatMessage } from './messages.js'

const config = { ...smallConfig, vocab_size: 6000, prompt_bos: 'first', max_length: 200 }
const plain = writeRandomModel(config)
copyFileSync(tokenizerFile, join(plain, 'tokenizer.model'))
/** Its PLoRA says something. */
const dir = withPlora(plain, (value, i) => 20 * value + Math.sin(i))
const zeroDir = withPlora(plain, () => 0)
let model: XComposer
let question: ChatMessage[]

/** The same model with other B matrices of PLoRA. */
function withPlora(from: string, change: (value: number, i: number) => number): string {
  const to = mkdtempSync(join(tmpdir(), 'xcomposer-plora-'))
  cpSync(from, to, { recursive: true })
  const tensors = [...openModel(from).directory.tensors].map(([name, entry]) => {
    const data = readTensor(entry)
    return { name, dtype: 'F32' as const, shape: entry.shape, data: name.endsWith('.Plora_B.weight') ? data.map(change) : data }
  })
  writeSafetensors(join(to, 'model.safetensors'), tensors)
  return to
}

beforeAll(async () => {
  model = await XComposer.load(dir, { threads: 1 })
  const noise = Uint8Array.from({ length: 20 * 30 * 3 }, (_, i) => (i * 7919) % 251)
  const bytes = await sharp(noise, { raw: { width: 20, height: 30, channels: 3 } })
    .png()
    .toBuffer()
  const content = [
    { type: 'image' as const, image: { bytes, name: 'noise.png' } },
    { type: 'text' as const, text: 'What is this?' },
  ]
  question = [{ role: 'user', content }]
})
afterAll(async () => {
  await model.dispose()
  for (const each of [plain, dir, zeroDir]) rmSync(each, { recursive: true })
  expect(liveHandles().byKind).toEqual({})
})

const probabilities = ({ tokens }: Pick<Inside, 'tokens'>) => tokens.map(({ probability }) => probability)

function expectClose(got: readonly number[], want: readonly number[], tolerance = 1e-4): void {
  expect(got).toHaveLength(want.length)
  for (const [i, value] of got.entries()) expect(Math.abs(value - (want[i] as number)), `${i}`).toBeLessThan(tolerance)
}

describe('a look inside', () => {
  it.each(['a small model', 'nano'])('shows the answer of chat of %s, with its probabilities', async (which) => {
    const asked = which === 'nano' ? await XComposer.load(packagedModel, { threads: 1 }) : model
    try {
      const before = await chat(asked, question, { maxNewTokens: 8, logprobs: 3 }).result
      const inside = await lookInside(asked, question, { maxNewTokens: 8, alternatives: 3 })
      expect([inside.text, inside.finishReason]).toEqual([before.text, before.finishReason])
      expect(inside.tokens.map(({ id }) => id)).toEqual(before.ids)
      const wanted = before.logprobs ?? []
      expectClose(
        probabilities(inside),
        wanted.map(({ logprob }) => Math.exp(logprob)),
      )
      inside.tokens.forEach(({ alternatives }, i) => {
        expectClose(
          alternatives.map(({ probability }) => probability),
          wanted[i]?.top.map(({ logprob }) => Math.exp(logprob)) ?? [],
        )
      })
      expect({ ...inside.usage, cachedTokens: 0 }).toEqual(before.usage)
      expect(JSON.parse(JSON.stringify(inside))).toEqual(inside)
      // What it leaves in the prefix cache does not change what chat says.
      expect((await chat(asked, question, { maxNewTokens: 8 }).result).ids).toEqual(before.ids)
    } finally {
      if (asked !== model) await asked.dispose()
    }
  })

  it('gives weights for each layer, token, view and cell; with text they are all', async () => {
    const { attention, tokens, views } = await lookInside(model, question, { maxNewTokens: 5, heads: true })
    expect(views).toEqual([{ image: 0, kind: 'whole', rows: 4, columns: 4, placed: true }])
    expect(attention.layers).toEqual([0, 1])
    for (const [i] of attention.layers.entries()) {
      for (const [t] of tokens.entries()) {
        const cells = attention.image[i]?.[t]?.[0] ?? []
        const heads = attention.heads?.[i]?.[t] ?? []
        expect([cells.length, heads.length]).toEqual([16, 4])
        expectClose(
          cells,
          cells.map((_, cell) => heads.reduce((sum, head) => sum + (head[0]?.[cell] ?? 0), 0) / 4),
          1e-6,
        )
        const share = attention.imageShare[i]?.[t] ?? 0
        expectClose([cells.reduce((a, b) => a + b)], [share], 1e-5)
        expect(share + (attention.textShare[i]?.[t] ?? 0)).toBeCloseTo(1, 6)
        expect(attention.firstShare[i]?.[t]).toBeLessThanOrEqual(attention.textShare[i]?.[t] ?? 0)
      }
    }
    const some = await lookInside(model, question, { maxNewTokens: 5, layers: [1], adapterOff: false })
    expect(some.attention.layers).toEqual([1])
    expectClose(some.attention.image.flat(3), attention.image[1]?.flat(2) ?? [], 1e-5)
    expect(some.adapterOff).toBeUndefined()
  })

  it('takes an answer that is given', async () => {
    const { text, tokens } = await lookInside(model, question, { maxNewTokens: 5 })
    const ids = model.tokenizer.encode(text)
    const given = await lookInside(model, question, { answer: text })
    expect(given.finishReason).toBe('given')
    expect(given.tokens.map(({ id }) => id)).toEqual(ids)
    if (String(ids) === String(tokens.map(({ id }) => id)))
      expectClose(
        probabilities(given),
        tokens.map(({ probability }) => probability),
      )
  })

  it('with PLoRA off is the checkpoint whose PLoRA is zero', async () => {
    const zero = await XComposer.load(zeroDir, { threads: 1 })
    try {
      const { text, adapterOff } = await lookInside(model, question, { maxNewTokens: 6 })
      const other = await chat(zero, question, { maxNewTokens: 6, logprobs: 0 }).result
      expect([adapterOff?.adapter, adapterOff?.text]).toEqual(['plora', other.text])
      expectClose(
        adapterOff?.tokens.map(({ probability }) => probability) ?? [],
        other.logprobs?.map(({ logprob }) => Math.exp(logprob)) ?? [],
      )
      const own = await chat(model, question, { maxNewTokens: 6 }).result
      expect(own.text).toBe(text)
      expect(own.text).not.toBe(other.text)
      // The same ids, and not what the text happens to be cut into.
      const forced = await forcedProbabilities(zero, own.ids)
      expectClose(adapterOff?.sameAnswer ?? [], forced)
    } finally {
      await zero.dispose()
    }
  })

  it('of text alone has no views and nothing to switch off', async () => {
    const { views, attention, adapterOff, tokens } = await lookInside(model, [{ role: 'user', content: 'Hello' }], {
      maxNewTokens: 3,
    })
    expect([views, adapterOff]).toEqual([[], undefined])
    expect(attention.textShare).toEqual([0, 1].map(() => tokens.map(() => 1)))
  })

  it.each<[string, LookInsideOptions, RegExp]>([
    ['a layer that is not there', { layers: [2] }, /layers: got 2, expected whole numbers from 0 to 1/],
    ['no answer', { answer: '' }, /answer: expected a text/],
    ['an answer beyond the context', { answer: 'a b c '.repeat(100) }, /answer: with the question it takes/],
    ['more alternatives than there are', { alternatives: 21 }, /alternatives: got 21/],
    ['sampling', { temperature: 1 } as LookInsideOptions, /"temperature" is not known here/],
    ['more weights than memory is given to', { maxNewTokens: 100_000, heads: true }, /attention: 100000 tokens have \d+ weights/],
  ])('refuses %s', async (_, options, message) => {
    await expect(lookInside(model, question, options)).rejects.toThrow(message)
  })

  it('ends when its signal says so', async () => {
    const { signal } = new AbortController()
    // Looked at once before the prompt, and then between passes.
    let looks = 0
    signal.throwIfAborted = () => {
      if (++looks > 6) throw new Error('enough')
    }
    const running = lookInside(model, question, { maxNewTokens: 100, signal })
    await expect(running).rejects.toThrow('enough')
  })
})

async function forcedProbabilities(asked: XComposer, ids: readonly number[]): Promise<number[]> {
  const { openRequest } = await import('./request.js')
  const { encodeOpened } = await import('./images.js')
  const { parts, images } = await openRequest(asked, question, {})
  const { logits, sequence } = await asked.prefill(parts, await encodeOpened(asked, images))
  try {
    const found: number[] = []
    let next = logits
    for (const id of ids) {
      const highest = Math.max(...next)
      const all = next.reduce((sum, x) => sum + Math.exp(x - highest), 0)
      found.push(Math.exp((next[id] as number) - highest) / all)
      next = await sequence.append([id])
    }
    return found
  } finally {
    sequence.dispose()
  }
}

describe('the views of a tiled image', () => {
  it('are the squares of the whole and of the tiles, wherever they stand', () => {
    const parsed = parseModelConfig(smallConfig, 'config.json')
    const c = { ...parsed, vision: parsed.vision && { ...parsed.vision, tiled: true } }
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), fc.nat(5), (tilesHigh, tilesWide, before) => {
        const patches = 4
        const tokens = tiledTokens({ tilesHigh, tilesWide }, patches)
        // Several layouts may have as many tokens where tiles are this small; those of real models do not.
        fc.pre(tilesHigh < patches / 2 + 1)
        const parts = [
          { kind: 'text' as const, ids: Array.from({ length: before }, () => 5) },
          { kind: 'image' as const, image: 0, tokens },
        ]
        const index = tileIndex([{ tilesHigh, tilesWide }], patches)
        const [whole, tiles] = imageViews(c, parts)
        expect([whole?.view.rows, whole?.view.columns, tiles?.view.rows, tiles?.view.columns]).toEqual([
          2,
          2,
          2 * tilesHigh,
          2 * tilesWide,
        ])
        const pairAt = (position: number) => index.slice(2 * (position - before), 2 * (position - before) + 2)
        whole?.positions.forEach((position, i) => {
          expect(pairAt(position)).toEqual([0, 2 + i])
        })
        tiles?.positions.forEach((position, i) => {
          const [y, x] = [Math.floor(i / (2 * tilesWide)), i % (2 * tilesWide)]
          const tile = 1 + Math.floor(y / 2) * tilesWide + Math.floor(x / 2)
          expect(pairAt(position)).toEqual([tile, 2 + (y % 2) * 2 + (x % 2)])
        })
      }),
    )
  })
})
