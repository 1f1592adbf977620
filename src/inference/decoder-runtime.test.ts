/** The cached path against differentiable attention over the whole sequence: for heads that the fused kernel takes, and for others. */
import { describe, expect, it } from 'vitest'
import { smallConfig } from '../../tests/support/random-model.js'
import { largestDifference, ROUNDING, smallDecoder } from '../../tests/support/small-decoder.js'
import { Graph, gatherRows, type HostTensor, runOnce } from '../engine/index.js'
import { causalMask, sequenceAttention } from '../model/decoder/attention.js'
import { decoder } from '../model/decoder/decoder.js'
import { rotaryTables } from '../model/decoder/rotary.js'
import { readParameter } from '../model/open-checkpoint.js'
import { floatWeights } from '../model/weights.js'
import type { DecoderRuntime, DecoderSequence } from './decoder-runtime.js'

const ids = (n: number, from = 0) => Array.from({ length: n }, (_, i) => 3 + ((from + i * 37) % 190))

/** Columns of every prompt that are image tokens. */
const imageColumns = [2, 3, 4, 5]

const f32 = (shape: readonly number[], data: Float32Array): HostTensor => ({ dtype: 'f32', shape, data })
const i64 = (shape: readonly number[], data: readonly number[]): HostTensor => ({
  dtype: 'i64',
  shape,
  data: BigInt64Array.from(data, BigInt),
})

/** Logits of the last position by the network as it is trained: one pass, no cache. */
async function reference(model: DecoderRuntime, sequence: readonly number[]): Promise<Float32Array> {
  const c = model.config.decoder
  const tokens = sequence.length
  const { cos, sin } = rotaryTables(c, tokens)
  const inputs: Record<string, HostTensor> = {
    embeddings: f32([1, tokens, c.hiddenSize], model.store.embed(sequence)),
    image: i64(
      [imageColumns.length, 2],
      imageColumns.flatMap((column) => [0, column]),
    ),
    cos: f32([tokens, c.headDim / 2], cos),
    sin: f32([tokens, c.headDim / 2], sin),
    positions: i64([1], [0]),
    mask: f32([tokens, tokens], causalMask(tokens)),
    last: i64([1, 2], [0, tokens - 1]),
  }
  const g = new Graph('reference')
  const input = (name: string) => g.input(name, inputs[name]?.dtype ?? 'f32', inputs[name]?.shape ?? [])
  const attend = sequenceAttention(c, {
    cos: input('cos'),
    sin: input('sin'),
    positions: input('positions'),
    masks: [input('mask')],
  })
  const w = floatWeights(new Map(model.checkpoint.specs.map((s) => [s.name, s.shape])))
  const hidden = decoder(g, w, c, input('embeddings'), input('image'), attend)
  const logits = w.product(g, gatherRows(g, hidden, input('last')), 'output')
  for (const { name, shape } of g.openWeights) inputs[name] = f32(shape as number[], readParameter(model.checkpoint, name))
  return (await runOnce(g, inputs, { logits })).logits?.data as Float32Array
}

const heads = (hidden: number, count: number, kv: number) => ({
  ...smallConfig,
  hidden_size: hidden,
  num_attention_heads: count,
  num_key_value_heads: kv,
})

describe.each([
  ['2', heads(64, 32, 8)],
  ['6', heads(48, 8, 2)],
  ['8', heads(64, 8, 8)],
  ['16, as the kernel takes it,', heads(64, 4, 2)],
  ['24', heads(96, 4, 2)],
])('a head size of %s', (_, config) => {
  const small = smallDecoder(config)

  const prompted = async (prompt: readonly number[]): Promise<{ sequence: DecoderSequence; logits: Float32Array }> => {
    const sequence = small.model.sequence()
    const logits = await sequence.appendRows(small.model.store.embed(prompt), prompt.length, imageColumns)
    return { sequence, logits }
  }
  const expectReference = async (logits: Float32Array | undefined, sequence: readonly number[]) =>
    expect(largestDifference(await reference(small.model, sequence), logits as Float32Array)).toBeLessThan(ROUNDING)

  it('gives the logits of a prompt, and of ids behind it, also where the cache has to grow', async () => {
    const prompt = ids(250)
    const { sequence, logits } = await prompted(prompt)
    await expectReference(logits, prompt)
    await expectReference(await sequence.append([7]), [...prompt, 7])
    await expectReference(await sequence.append(ids(10)), [...prompt, 7, ...ids(10)])
    sequence.dispose()
  })

  it('gives the logits of rows that are decoded together', async () => {
    const prompts = [ids(20), ids(9, 50), ids(255, 90)]
    const { scheduler } = small.model
    const rows = []
    for (const prompt of prompts) {
      await scheduler.place()
      rows.push(scheduler.start((await prompted(prompt)).sequence))
    }
    const next = [11, 12, 13]
    const logits = await Promise.all(rows.map((row) => row.append(next)))
    for (const [i, prompt] of prompts.entries()) await expectReference(logits[i], [...prompt, ...next])
    for (const row of rows) row.dispose()
  })

  it('gives the logits of branches, whose dead ones are dropped', async () => {
    const prompt = ids(250)
    const { sequence } = await prompted(prompt)
    const branches = sequence.branch()
    await branches.step([0, 0, 0, 0], [5, 6, 7, 8])
    await branches.step([3, 3, 3, 3], [9, 10, 11, 12])
    const logits = await branches.step([1, 2], [13, 14])
    await expectReference(logits[0], [...prompt, 8, 10, 13])
    await expectReference(logits[1], [...prompt, 8, 11, 14])
    branches.dispose()
    sequence.dispose()
  })
})
