/** Broken and hostile model directories, through the command line: one line that names file, tensor or field, and nothing written. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { call, chat, commandConfig, commandModel, tokenizerFile } from '../../tests/support/command-line.js'
import { archive, dict, p, selfReferring, storage, tensor } from '../../tests/support/torch-archive.js'
import { openModelDirectory } from '../checkpoint/model-directory.js'
import { type TensorToWrite, writeSafetensors } from '../checkpoint/safetensors.js'
import { readTensor } from '../checkpoint/tensors.js'

const norm = 'model.norm.weight'
const singleFile = 'model.safetensors'
const places = commandModel()
let dirs = 0

/** A copy of the good model, changed. */
function modelWith(change: (dir: string) => void): string {
  const dir = join(places.root, `model-${dirs++}`)
  cpSync(places.good, dir, { recursive: true })
  change(dir)
  return dir
}

const withConfig = (fields: object) => (dir: string) =>
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...commandConfig, ...fields }))

/** The model in two shards and their index, then changed. */
const shards = (change: (dir: string, map: Record<string, string>) => void) => (dir: string) => {
  const all = tensors()
  const halves = [all.slice(0, 9), all.slice(9)] as const
  const map: Record<string, string> = {}
  for (const [i, half] of halves.entries()) {
    writeSafetensors(join(dir, `shard-${i}.safetensors`), half)
    for (const { name } of half) map[name] = `shard-${i}.safetensors`
  }
  rmSync(join(dir, singleFile))
  change(dir, map)
  writeFileSync(join(dir, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
}

const torch = (bytes: Buffer) => (dir: string) => {
  rmSync(join(dir, singleFile))
  writeFileSync(join(dir, 'pytorch_model.bin'), bytes)
}

function tensors(): TensorToWrite[] {
  return [...openModelDirectory(places.good).tensors.values()].map((entry) => ({
    ...entry,
    dtype: 'F32',
    data: readTensor(entry),
  }))
}

/** One tensor in another form. */
const withTensor = (name: string, other: (was: TensorToWrite) => Partial<TensorToWrite>) => (dir: string) =>
  writeSafetensors(
    join(dir, singleFile),
    tensors().map((t) => (t.name === name ? { ...t, ...other(t) } : t)),
  )

const withNaN = (name: string) =>
  withTensor(name, ({ data }) => ({ data: (data as Float32Array).slice().fill(Number.NaN, 3, 4) }))

const system = p.call(p.global('os.system'), p.tuple(p.text('touch pwned')))
const vector = (elements: number) => dict(norm, tensor(storage(elements), 0, [elements], [1]))

describe('a model directory that is refused', () => {
  it.each<[string, (dir: string) => void, RegExp]>([
    [
      'a shard cut short',
      shards((dir) => {
        const file = join(dir, 'shard-1.safetensors')
        writeFileSync(file, readFileSync(file).subarray(0, -100))
      }),
      /shard-1\.safetensors: tensor ".*": data_offsets \[\d+, \d+\], expected begin <= end <= \d+ \(the data in the file\); the file is cut short/,
    ],
    [
      'a shard that is missing',
      shards((dir) => rmSync(join(dir, 'shard-1.safetensors'))),
      /shard-1\.safetensors: no such file, but .*index\.json names it; get the model again/,
    ],
    [
      'an index with a tensor too many',
      shards((_, map) => Object.assign(map, { extra: 'shard-0.safetensors' })),
      /index\.json: tensor "extra" is not in shard-0\.safetensors/,
    ],
    [
      'a tensor that is missing',
      (dir) =>
        writeSafetensors(
          join(dir, singleFile),
          tensors().filter(({ name }) => name !== norm),
        ),
      /model-\d+: tensor "model\.norm\.weight" is missing; config\.json asks for \[64\]/,
    ],
    [
      'a tensor of a wrong shape',
      withTensor(norm, () => ({ shape: [32], data: new Float32Array(32) })),
      /model\.safetensors: tensor "model\.norm\.weight": expected \[64\] from config\.json, got \[32\]; the two are not of one model/,
    ],
    [
      'a tensor of a wrong type',
      withTensor(norm, () => ({ dtype: 'U8', data: new Uint8Array(64) })),
      /model\.safetensors: tensor "model\.norm\.weight": dtype U8, expected F32, F16 or BF16; convert the model/,
    ],
    ['a hidden size of 0', withConfig({ hidden_size: 0 }), /config\.json: field "hidden_size": expected number to be >=1, got 0/],
    [
      'a field misspelt',
      withConfig({ num_hidden_layers: undefined, num_hiden_layers: 2 }),
      /config\.json: field "num_hiden_layers": unknown; did you mean "num_hidden_layers"\?/,
    ],
    ['a hidden size in quotes', withConfig({ hidden_size: '64' }), /"hidden_size": expected number, got "64"/],
    ['a hidden size of 1e9', withConfig({ hidden_size: 1e9 }), /"hidden_size": expected number to be <=1000000, got 1000000000/],
    [
      'heads that do not divide',
      withConfig({ num_attention_heads: 5 }),
      /hidden_size 64 is not divisible by num_attention_heads 5/,
    ],
    [
      'key heads that do not divide',
      withConfig({ num_key_value_heads: 3 }),
      /num_attention_heads 4 is not divisible by num_key_value/,
    ],
    [
      'heads of an odd size',
      withConfig({ num_attention_heads: 64 }),
      /the head dimension is odd: rotary positions need an even one/,
    ],
    [
      'a pickle that calls os.system',
      torch(archive(dict(norm, system))),
      /pytorch_model\.bin: the pickle asks for "os\.system".*refused/,
    ],
    [
      'a torch storage of 2^40 elements',
      torch(archive(vector(2 ** 40))),
      /a storage of 1099511627776 F32, but .* holds 24 bytes/,
    ],
    [
      'a zip64 directory that is itself',
      torch(selfReferring(archive(vector(6)))),
      /pytorch_model\.bin: central directory of 56 bytes/,
    ],
  ])('%s', async (_, change, message) => {
    const dir = modelWith(change)
    const out = join(places.root, 'quantised')
    const page = join(places.root, 'page.html')
    const replies = join(places.root, 'replies.jsonl')
    const question = { id: '1', task: 't', images: [], question: 'x', answers: ['y'], scorer: 'exact' }
    writeFileSync(join(places.root, 'questions.jsonl'), JSON.stringify(question))
    const before = readdirSync(places.root)
    for (const result of [
      await chat(dir, 'x'),
      await call('inspect', '--model', dir),
      await call('quantize', dir, out),
      await call('compose', 'apples', '--library', places.root, '--out', page, '--model', dir),
      await call('eval', join(places.root, 'questions.jsonl'), '--predictions', replies, '--model', dir),
    ]) {
      expect(result.err).toMatch(message)
      expect(result.err).toMatch(/^xcomposer: [^\n]+\n$/)
      expect([result.code, result.out]).toEqual([2, ''])
    }
    expect(readdirSync(places.root)).toEqual(before)
    expect(existsSync('pwned')).toBe(false)
  })

  it('a tokenizer.model cut short', async () => {
    const dir = modelWith((d) => writeFileSync(join(d, 'tokenizer.model'), readFileSync(tokenizerFile).subarray(0, 5000)))
    const { code, err } = await chat(dir, 'x')
    expect([code, err]).toEqual([2, expect.stringMatching(/^xcomposer: .*tokenizer\.model: ends inside a field; [^\n]+\n$/)])
  })
})

describe('weights that are no numbers', () => {
  const name = 'model.layers.0.attention.wo.Plora_A.weight'
  const warning = new RegExp(`^[^\\n]*model\\.safetensors: tensor "${name}" holds NaN; [^\\n]+\\n$`)

  it('do no harm where they are not needed', async () => {
    const { code, out, err } = await chat(modelWith(withNaN(name)), 'What is this?')
    expect([code, out, err]).toEqual([0, (await chat(places.good, 'What is this?')).out, ''])
  })

  it('are named in one line, and end an answer that needs them', async () => {
    const { code, out, err } = await chat(modelWith(withNaN(name)), '--image', join(places.root, 'a.png'), 'What is this?')
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(
      /^[^\n]*Plora_A.weight" holds NaN; [^\n]+\nxcomposer: the model gave a logit that is not a number; its weights are broken\n$/,
    )
  })

  it('are warned of before quantising hides them', async () => {
    const { code, err } = await call('quantize', modelWith(withNaN(name)), join(places.root, 'hides'))
    expect(code).toBe(0)
    expect(err.replace(/^\d+ % of .*\n/gm, '')).toMatch(warning)
  })
})
