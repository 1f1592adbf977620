/** Weights of attention against attention written out in plain TypeScript, and the logits of their graph against those of the ordinary one. */
import { describe, expect, it } from 'vitest'
import { smallConfig } from '../../tests/support/random-model.js'
import { largestDifference, ROUNDING, smallDecoder } from '../../tests/support/small-decoder.js'
import type { DecoderConfig } from '../model/config.js'
import { rotaryTables } from '../model/decoder/rotary.js'
import type { DecoderRuntime } from './decoder-runtime.js'

/** Heads of a size that the cache widens, too. */
const configs = [
  ['heads of 16', smallConfig],
  ['heads of 8, which the cache widens', { ...smallConfig, num_attention_heads: 8, num_key_value_heads: 4 }],
] as const

/** x [rows, inputs] times W^T, W [outputs, inputs]. */
function product(x: readonly number[], w: Float32Array): number[] {
  return Array.from({ length: w.length / x.length }, (_, o) =>
    x.reduce((sum, value, i) => sum + value * (w[o * x.length + i] as number), 0),
  )
}

/** Queries, keys, values of a row of a layer, rotated: from what comes into the layer. */
function qkvOf(
  model: DecoderRuntime,
  c: DecoderConfig,
  layer: number,
  x: readonly number[],
  position: number,
  image: boolean,
): number[][] {
  const at = `model.layers.${layer}`
  const floats = (name: string) => model.store.floats(`${at}.${name}.weight`)
  const norm = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + c.normEpsilon)
  const weight = floats('attention_norm')
  const normed = x.map((value, i) => (value / norm) * (weight[i] as number))
  const dense = product(normed, floats('attention.wqkv'))
  const low = image ? product(product(normed, floats('attention.wqkv.Plora_A')), floats('attention.wqkv.Plora_B')) : []
  const all = dense.map((value, i) => value + (low[i] ?? 0))
  const { cos, sin } = rotaryTables(c, position + 1)
  const half = c.headDim / 2
  return Array.from({ length: c.heads + c.kvHeads }, (_, head) => {
    const h = all.slice(head * c.headDim, (head + 1) * c.headDim)
    return h.map((value, i) => {
      const j = i % half
      const [co, si] = [cos[position * half + j] as number, sin[position * half + j] as number]
      return i < half ? value * co - (h[i + half] as number) * si : value * co + (h[i - half] as number) * si
    })
  })
}

describe.each(configs)('weights of attention, %s', (_, config) => {
  const small = smallDecoder(config)

  it('are those of plain attention, sum to 1, and come with the logits of the ordinary graph', async () => {
    const { model } = small
    const c = model.config.decoder
    const ids = [3, 9, 27, 81, 43, 129, 187]
    const imageColumns = [1, 2, 3]
    const rows = model.store.embed(ids)
    const start = async () => {
      const sequence = model.sequence()
      await sequence.appendRows(rows, ids.length, imageColumns, { content: ids })
      return sequence
    }
    const [looking, mean, plain] = [await start(), await start(), await start()]
    try {
      const next = 111
      const { logits, attention } = await looking.appendLooking(next, 'heads')
      const means = (await mean.appendLooking(next, 'mean')).attention
      expect(largestDifference(logits, await plain.append([next]))).toBeLessThan(ROUNDING)

      // What comes into each layer, from a pass over the whole that gives it out.
      const whole = model.sequence()
      const embeddings = model.store.embed([...ids, next])
      const { hidden } = await model.sessions.run(
        { embeddings, tokens: ids.length + 1, imageColumns, logitColumns: [], hidden: true },
        whole.cache,
      )
      whole.dispose()
      expect(attention).toHaveLength(c.layers)
      for (let layer = 0; layer < c.layers; layer++) {
        const input = hidden[layer] as Float32Array
        const length = ids.length + 1
        const states = Array.from({ length }, (_, row) =>
          qkvOf(
            model,
            c,
            layer,
            [...input.subarray(row * c.hiddenSize, (row + 1) * c.hiddenSize)],
            row,
            imageColumns.includes(row),
          ),
        )
        const weights = attention[layer] as Float32Array
        expect(weights).toHaveLength(c.heads * length)
        const average = new Float32Array(length)
        for (let head = 0; head < c.heads; head++) {
          const query = states[length - 1]?.[head] as number[]
          const kv = c.heads + Math.floor(head / (c.heads / c.kvHeads))
          const scores = states.map(
            (state) => query.reduce((sum, q, i) => sum + q * (state[kv]?.[i] as number), 0) / Math.sqrt(c.headDim),
          )
          const highest = Math.max(...scores)
          const all = scores.reduce((sum, s) => sum + Math.exp(s - highest), 0)
          const want = Float32Array.from(scores, (s) => Math.exp(s - highest) / all)
          const got = weights.subarray(head * length, (head + 1) * length)
          expect(largestDifference(got, want)).toBeLessThan(2e-4)
          expect(got.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5)
          want.forEach((w, i) => {
            average[i] = (average[i] as number) + w / c.heads
          })
        }
        expect(largestDifference(means[layer] as Float32Array, average)).toBeLessThan(2e-4)
      }
    } finally {
      for (const sequence of [looking, mean, plain]) sequence.dispose()
    }
  })

  it('of several rows at once leave out what comes behind each, and are not given for image and text together', async () => {
    const { model } = small
    const sequence = model.sequence()
    try {
      const embeddings = model.store.embed([5, 6, 7, 8])
      const step = { embeddings, tokens: 4, logitColumns: [], attention: 'mean' as const }
      const { attention } = await model.sessions.run(step, sequence.cache)
      for (const weights of attention)
        for (let row = 0; row < 4; row++) {
          const own = weights.subarray(row * 4, (row + 1) * 4)
          expect([...own.subarray(row + 1)]).toEqual(new Array(3 - row).fill(0))
          expect(own.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5)
        }
      await expect(model.sessions.run({ ...step, imageColumns: [1] }, sequence.cache)).rejects.toThrow(RangeError)
    } finally {
      sequence.dispose()
    }
  })
})
