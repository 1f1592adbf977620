/** A golden InternLM2 decoder written again under LLaMA's names and settings: the same answers, as it is and quantised. */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { call, chat, tokenizerFile } from '../../../tests/support/command-line.js'
import { liveHandles } from '../../engine/index.js'
import { DecoderRuntime } from '../../inference/decoder-runtime.js'
import { openModel, readParameter } from '../../model/open-checkpoint.js'
import { quantizeModel } from '../../quantize/quantize-model.js'
import { openWeights } from '../model-directory.js'
import { writeSafetensors } from '../safetensors.js'
import { readRows, readTensor } from '../tensors.js'

const goldens = join(import.meta.dirname, '../../../tests/data/goldens')
const golden = join(goldens, 'decoder/tiny')
const root = mkdtempSync(join(tmpdir(), 'llama-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const HEADS = 4
const KV_HEADS = 2
const D = 16
const HIDDEN = HEADS * D
const plainConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 512,
  hidden_size: HIDDEN,
  intermediate_size: 96,
  num_hidden_layers: 3,
  num_attention_heads: HEADS,
  num_key_value_heads: KV_HEADS,
  rms_norm_eps: 1e-5,
  rope_theta: 1_000_000,
  max_position_embeddings: 2048,
}

type Plain = Map<string, { shape: readonly number[]; data: Float32Array }>

/** Rows of one head after the other out of the golden's grouped wqkv, [kvHeads, group + 2, d, hidden]. */
function separate(wqkv: Float32Array, kind: 'q' | 'k' | 'v'): Float32Array {
  const group = HEADS / KV_HEADS
  const slots = kind === 'q' ? [...Array(group).keys()] : [kind === 'k' ? group : group + 1]
  const out: number[] = []
  for (let kv = 0; kv < KV_HEADS; kv++)
    for (const slot of slots) {
      const from = (kv * (group + 2) + slot) * D * HIDDEN
      out.push(...wqkv.subarray(from, from + D * HIDDEN))
    }
  return Float32Array.from(out)
}

function llamaTensors(): Plain {
  const from = openWeights(join(golden, 'checkpoint'))
  const out: Plain = new Map()
  const copy = (ours: string, theirs: string) => {
    const entry = from.get(ours)
    if (!entry) throw new Error(ours)
    out.set(theirs, { shape: entry.shape, data: readTensor(entry) })
  }
  copy('model.tok_embeddings.weight', 'model.embed_tokens.weight')
  copy('model.norm.weight', 'model.norm.weight')
  copy('output.weight', 'lm_head.weight')
  for (let layer = 0; layer < 3; layer++) {
    const at = `model.layers.${layer}`
    const wqkv = from.get(`${at}.attention.wqkv.weight`)
    if (!wqkv) throw new Error('wqkv')
    for (const kind of ['q', 'k', 'v'] as const) {
      const data = separate(readTensor(wqkv), kind)
      out.set(`${at}.self_attn.${kind}_proj.weight`, { shape: [data.length / HIDDEN, HIDDEN], data })
    }
    copy(`${at}.attention.wo.weight`, `${at}.self_attn.o_proj.weight`)
    copy(`${at}.attention_norm.weight`, `${at}.input_layernorm.weight`)
    copy(`${at}.ffn_norm.weight`, `${at}.post_attention_layernorm.weight`)
    copy(`${at}.feed_forward.w1.weight`, `${at}.mlp.gate_proj.weight`)
    copy(`${at}.feed_forward.w3.weight`, `${at}.mlp.up_proj.weight`)
    copy(`${at}.feed_forward.w2.weight`, `${at}.mlp.down_proj.weight`)
  }
  return out
}

let made = 0
function llamaDirectory(change: (tensors: Plain) => void = () => {}, more: Record<string, unknown> = {}): string {
  const dir = join(root, String(made++))
  mkdirSync(dir)
  const tensors = llamaTensors()
  change(tensors)
  const written = [...tensors].map(([name, { shape, data }]) => ({ name, dtype: 'F32' as const, shape, data }))
  writeSafetensors(join(dir, 'model.safetensors'), written)
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...plainConfig, ...more }))
  return dir
}

interface Golden {
  readonly kind: string
  readonly input_ids: number[]
  readonly greedy24: number[]
}
const cases = (JSON.parse(readFileSync(join(golden, 'generate.json'), 'utf8')) as Golden[]).filter((c) => c.kind === 'ids')

/** Logits behind `ids`, and the likeliest ids that follow. */
async function answer(dir: string, ids: readonly number[], count = 1) {
  const model = new DecoderRuntime(openModel(dir))
  try {
    const sequence = model.sequence()
    const first = await sequence.append(ids)
    const next: number[] = []
    for (let logits = first; next.length < count; logits = await sequence.append(next.slice(-1)))
      next.push(logits.indexOf(Math.max(...logits)))
    return { logits: first, next }
  } finally {
    await model.dispose()
  }
}

describe('a decoder under the names of LLaMA', () => {
  it('continues as the reference does, with the logits of the same tensors under the names of InternLM2', async () => {
    const dir = llamaDirectory()
    expect(cases.length).toBeGreaterThan(0)
    for (const { input_ids, greedy24 } of cases) {
      const { logits, next } = await answer(dir, input_ids, greedy24.length)
      expect(next).toEqual(greedy24)
      expect(logits).toEqual((await answer(join(golden, 'checkpoint'), input_ids)).logits)
    }
    expect(liveHandles().byKind).toEqual({})
  })

  it('reads the composed wqkv by rows as the whole of it', () => {
    const entry = openModel(llamaDirectory()).directory.tensors.get('model.layers.1.attention.wqkv.weight')
    if (!entry) throw new Error('no wqkv')
    const whole = readTensor(entry)
    const wanted = openWeights(join(golden, 'checkpoint')).get('model.layers.1.attention.wqkv.weight')
    expect(wanted && readTensor(wanted)).toEqual(whole)
    for (const [first, count] of [
      [0, 1],
      [15, 2],
      [31, 40],
      [100, 28],
    ] as const)
      expect(readRows(entry, first, count)).toEqual(whole.slice(first * HIDDEN, (first + count) * HIDDEN))
  })

  it('quantised, gives the logits of the quantised InternLM2 decoder', async () => {
    const [ours, theirs] = [join(root, 'ours'), join(root, 'theirs')]
    const format = { bits: 8, blockSize: 32 } as const
    await quantizeModel(join(golden, 'checkpoint'), ours, format)
    await quantizeModel(llamaDirectory(), theirs, format)
    const ids = cases[0]?.input_ids ?? []
    expect((await answer(theirs, ids)).logits).toEqual((await answer(ours, ids)).logits)
  })

  it('takes the embedding table as output layer where embeddings are tied, quantised too', async () => {
    const tied = llamaDirectory((tensors) => tensors.delete('lm_head.weight'), { tie_word_embeddings: true })
    const written = llamaDirectory((tensors) => {
      const table = tensors.get('model.embed_tokens.weight')
      if (table) tensors.set('lm_head.weight', table)
    })
    const ids = cases[0]?.input_ids ?? []
    const { logits } = await answer(tied, ids)
    expect(logits).toEqual((await answer(written, ids)).logits)
    const [one, two] = [join(root, 'tied-quantised'), join(root, 'written-quantised')]
    await quantizeModel(tied, one, { bits: 8, blockSize: 32 })
    await quantizeModel(written, two, { bits: 8, blockSize: 32 })
    expect((await answer(one, ids)).logits).toEqual((await answer(two, ids)).logits)
  })

  it('groups the biases of the attention as its weights', () => {
    const dir = llamaDirectory(
      (tensors) => {
        for (let layer = 0; layer < 3; layer++)
          for (const [kind, width, base] of [
            ['q', HIDDEN, 0],
            ['k', KV_HEADS * D, 1000],
            ['v', KV_HEADS * D, 2000],
            ['o', HIDDEN, 3000],
          ] as const) {
            const data = Float32Array.from({ length: width }, (_, i) => base + i)
            tensors.set(`model.layers.${layer}.self_attn.${kind}_proj.bias`, { shape: [width], data })
          }
      },
      { attention_bias: true },
    )
    const bias = readParameter(openModel(dir), 'model.layers.0.attention.wqkv.bias')
    const run = (from: number, n: number) => Array.from({ length: n }, (_, i) => from + i)
    expect([...bias]).toEqual([run(0, 32), run(1000, 16), run(2000, 16), run(32, 32), run(1016, 16), run(2016, 16)].flat())
  })

  it.each([
    [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, /config\.json: rope_scaling "llama3" is not supported/],
    [{ mlp_bias: true }, /mlp_bias true is not supported/],
    [{ head_dim: 32 }, /head_dim 32 is not supported, expected hidden_size/],
    [{ hidden_act: 'gelu' }, /"hidden_act"/],
    [{ num_key_value_heads: 4 }, /tensor "model\.layers\.0\.self_attn\.k_proj\.weight": expected \[64, 64\]/],
  ])('refuses %j by name', (more, message) => {
    expect(() => openModel(llamaDirectory(undefined, more))).toThrow(message)
  })

  it('names the projection that is missing', () => {
    const dir = llamaDirectory((tensors) => tensors.delete('model.layers.2.self_attn.v_proj.weight'))
    expect(() => openModel(dir)).toThrow(/tensor "model\.layers\.2\.self_attn\.v_proj\.weight" is missing/)
  })
})

it('an InternLM2 text model has no PLoRA and answers as with it', async () => {
  const dir = join(root, 'internlm2')
  cpSync(join(golden, 'checkpoint'), dir, { recursive: true })
  rmSync(join(dir, 'model.safetensors.index.json'))
  const tensors = [...openWeights(join(golden, 'checkpoint'))].filter(([name]) => !name.includes('Plora'))
  writeSafetensors(
    join(dir, 'model.safetensors'),
    tensors.map(([name, entry]) => ({ name, dtype: 'F32', shape: entry.shape, data: readTensor(entry) })),
  )
  const [first] = cases
  expect((await answer(dir, first?.input_ids ?? [], 24)).next).toEqual(first?.greedy24)
})

it('a LLaMA directory answers through chat and is quantised through quantize', async () => {
  const vocabulary = 6000
  const dir = llamaDirectory(
    (tensors) => {
      for (const name of ['model.embed_tokens.weight', 'lm_head.weight'])
        tensors.set(name, {
          shape: [vocabulary, HIDDEN],
          data: Float32Array.from({ length: vocabulary * HIDDEN }, (_, i) => Math.sin(i * i)),
        })
    },
    { vocab_size: vocabulary },
  )
  copyFileSync(tokenizerFile, join(dir, 'tokenizer.model'))
  expect(await chat(dir, 'hi')).toMatchObject({ code: 0 })
  const out = join(root, 'small')
  expect(await call('quantize', dir, out, '--bits', '8', '--block', '32')).toMatchObject({ code: 0 })
  expect(await chat(out, 'hi')).toMatchObject({ code: 0 })
})

it('a LLaMA directory with a tokenizer.json in place of tokenizer.model answers, quantised too', async () => {
  const dir = llamaDirectory()
  const byte = (b: number) => ((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174 ? b : undefined)
  let next = 256
  const vocab = Object.fromEntries(Array.from({ length: 256 }, (_, b) => [String.fromCharCode(byte(b) ?? next++), b]))
  const added_tokens = ['</s>', '<|im_start|>', '<|im_end|>'].map((content, i) => ({ id: 256 + i, content, special: true }))
  // The golden's remaining ids, so that whatever it answers can be read.
  for (let id = 259; id < 512; id++) vocab[`${String.fromCharCode(97 + (id % 26))}${id}`] = id
  const json = { added_tokens, pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false }, decoder: { type: 'ByteLevel' } }
  const whole = { ...json, normalizer: null, post_processor: null, model: { type: 'BPE', vocab, merges: [] } }
  writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify(whole))
  writeFileSync(join(dir, 'tokenizer_config.json'), JSON.stringify({ eos_token: '</s>' }))
  expect(await chat(dir, 'hi')).toMatchObject({ code: 0 })
  const out = join(root, 'json-quantised')
  expect(await call('quantize', dir, out, '--bits', '8', '--block', '32')).toMatchObject({ code: 0 })
  expect(await chat(out, 'hi')).toMatchObject({ code: 0 })
})
