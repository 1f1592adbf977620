/** What people name as a model by mistake, made as small folders: each is told what it is and what to do, in one line. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { openModelDirectory } from './model-directory.js'
import { refuseOtherThings } from './refusals.js'
import { writeSafetensors } from './safetensors.js'

const root = mkdtempSync(join(tmpdir(), 'refusals-'))
afterAll(() => rmSync(root, { recursive: true }))

const POINTER = `version https://git-lfs.github.com/spec/v1\noid sha256:${'4d'.repeat(32)}\nsize 3412345678\n`
const ours = { architectures: ['InternLMXComposer2ForCausalLM'], model_type: 'internlm2' }
const config = (fields: object): Record<string, string> => ({
  'config.json': JSON.stringify({ ...ours, ...fields }),
  'model.safetensors': '',
})

let made = 0
/** A folder with these files, by their paths in it; objects are written as JSON. */
function folder(files: Record<string, string | Buffer | object>): string {
  const dir = join(root, `case-${made++}`)
  mkdirSync(dir)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true })
    writeFileSync(join(dir, name), typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content))
  }
  return dir
}

/** The line, without the path in front of it. */
function said(path: string): string {
  try {
    openModelDirectory(path)
  } catch (error) {
    expect(error).toBeInstanceOf(InputError)
    const { message } = error as Error
    expect(message).not.toContain('\n')
    expect(message.startsWith(`${path}: `)).toBe(true)
    return message.slice(path.length + 2)
  }
  return 'opened'
}

describe('a folder', () => {
  it.each<[string, Record<string, string | object>, RegExp]>([
    [
      'stored by GPTQ',
      config({ quantization_config: { quant_method: 'gptq', bits: 4 } }),
      /^its weights are stored by GPTQ .*, which is not read; take the float checkpoint .* xcomposer quantize$/,
    ],
    ['stored by AWQ', config({ quantization_config: { quant_method: 'awq' } }), /stored by AWQ/],
    [
      'stored by bitsandbytes',
      config({ quantization_config: { quant_method: 'bitsandbytes', load_in_4bit: true } }),
      /stored by bitsandbytes/,
    ],
    ['stored by an older bitsandbytes', config({ quantization_config: { load_in_8bit: true } }), /stored by bitsandbytes/],
    ['stored by a method of tomorrow', config({ quantization_config: { quant_method: 'q9' } }), /stored by "q9"/],
    ['stored by MLX', config({ quantization: { group_size: 64, bits: 4 } }), /stored by MLX/],
    [
      'stored by AutoGPTQ without a word in config.json',
      { ...config({}), 'quantize_config.json': { bits: 4 } },
      /stored by GPTQ \(quantize_config\.json\)/,
    ],
    ['stored by AutoAWQ without a word in config.json', { ...config({}), 'quant_config.json': { w_bit: 4 } }, /stored by AWQ/],
    [
      'of LLaVA',
      config({ architectures: ['LlavaForConditionalGeneration'], model_type: 'llava' }),
      /^config\.json is of another architecture, "LlavaForConditionalGeneration"; read are InternLMXComposer2ForCausalLM, .*xcomposer2-vl-7b\)$/,
    ],
    ['of Qwen2-VL', config({ architectures: ['Qwen2VLForConditionalGeneration'] }), /"Qwen2VLForConditionalGeneration"/],
    [
      'of an unnamed architecture',
      { 'config.json': { model_type: 'clip' }, 'model.safetensors': '' },
      /another architecture, model_type "clip"/,
    ],
    [
      'with a LoRA adapter',
      { 'adapter_config.json': { peft_type: 'LORA', base_model_name_or_path: 'internlm/x' }, 'adapter_model.safetensors': '' },
      /^a LoRA adapter for "internlm\/x", not a whole model; merge it into its base model .* name the merged folder$/,
    ],
    [
      'with another adapter',
      { 'adapter_config.json': { peft_type: 'IA3' }, 'config.json': ours },
      /^a PEFT adapter \("IA3"\), not a whole model/,
    ],
    [
      'whose weights are a Git LFS pointer',
      { ...config({}), 'model.safetensors': POINTER },
      /^model\.safetensors is a Git LFS pointer, not the file itself; run "git lfs install"/,
    ],
    ['whose tokenizer is one', { ...config({}), 'tokenizer.model': POINTER }, /^tokenizer\.model is a Git LFS pointer/],
    ['whose configuration is one', { 'config.json': POINTER, 'model.safetensors': '' }, /^config\.json is a Git LFS pointer/],
    [
      'whose shards are',
      {
        'config.json': ours,
        ...Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`model-0000${i}-of-00005.safetensors`, POINTER])),
      },
      /^model-00001-of-00005.safetensors, .* and 2 more are Git LFS pointers/,
    ],
    [
      'with shards alone',
      { 'config.json': ours, 'model-00001-of-00001.safetensors': '' },
      /^1 of 1 shards without model\.safetensors\.index\.json, which says what each holds; get what is missing/,
    ],
    [
      'with some shards alone',
      { 'config.json': ours, 'pytorch_model-00001-of-00003.bin': '', 'pytorch_model-00003-of-00003.bin': '' },
      /^2 of 3 shards \(missing: pytorch_model-00002-of-00003\.bin\) without pytorch_model\.bin\.index\.json/,
    ],
    [
      'with an unfinished download',
      { 'config.json': ours, 'model.safetensors.part': '' },
      /^model\.safetensors\.part is an unfinished download/,
    ],
    ['with a GGUF file', { 'config.json': ours, 'q4_0.gguf': 'GGUF' }, /^q4_0\.gguf holds weights in llama\.cpp's GGUF format/],
    [
      "in Meta's layout",
      { 'params.json': {}, 'consolidated.00.pth': '' },
      /Meta's original layout; take the same model in the Hugging Face layout/,
    ],
    ['of DeepSpeed', { latest: 'global_step10', 'global_step10/x.pt': '' }, /^a DeepSpeed checkpoint; make weights of it first/],
    [
      'of another framework',
      { 'config.json': ours, 'flax_model.msgpack': '' },
      /^flax_model\.msgpack holds weights of another framework/,
    ],
    ['of diffusers', { 'model_index.json': {} }, /^a pipeline of diffusers/],
    ['of ONNX', { 'config.json': ours, 'model_q4.onnx': '' }, /^model_q4\.onnx is an ONNX graph/],
    [
      'whose weights have another name',
      { 'config.json': ours, 'xcomposer.safetensors': '' },
      /^no model\.safetensors and no pytorch_model\.bin, but xcomposer\.safetensors; if that is the whole/,
    ],
    ['without anything', {}, /^an empty folder, expected a model in it$/],
    ['with something else', { 'notes.txt': '' }, /^no config\.json in it, so it is no model directory; name a model directory$/],
    ['without weights', { 'config.json': ours }, /^no weights, expected model\.safetensors, /],
    [
      'above the model',
      { 'notes.txt': '', 'nano/config.json': ours, 'state/x': '' },
      /^no config\.json in it, but in .*case-\d+.nano; name that folder$/,
    ],
    [
      'above several',
      { 'a/config.json': ours, 'b/config.json': ours },
      /^no config\.json in it, but in 2 of its folders \(a, b\); name one of them$/,
    ],
    [
      'of the cache of the hub',
      { 'models--org--a/x': '', 'models--org--b--c/x': '' },
      /^the cache of the Hugging Face hub; name one model of it as ORG\/NAME: org\/a, org\/b--c$/,
    ],
    [
      'of one model in it',
      { 'blobs/x': '', 'refs/main': 'c2', 'snapshots/c1/config.json': ours, 'snapshots/c2/config.json': ours },
      /^a folder of the Hugging Face cache; the model is in .*snapshots.c2$/,
    ],
    [
      'of one that never came',
      { 'blobs/x': '', 'snapshots/c1/README.md': '' },
      /^a folder of the Hugging Face cache without a whole model; download it with xcomposer pull/,
    ],
  ])('%s', (_, files, message) => expect(said(folder(files))).toMatch(message))

  it.each([
    ['model.layers.0.attention.wqkv.qweight', 'GPTQ or AWQ'],
    ['model.layers.0.attention.wqkv.weight.absmax', 'bitsandbytes'],
    ['model.layers.0.attention.wqkv.weight_scale_inv', 'FP8'],
  ])('whose tensors alone say how they are stored: %s', (name, method) => {
    const dir = folder({ 'config.json': ours })
    writeSafetensors(join(dir, 'model.safetensors'), [{ name, dtype: 'F32', shape: [1], data: Float32Array.of(1) }])
    expect(said(dir)).toMatch(new RegExp(`stored by ${method} \\(tensor "${name.replaceAll('.', '\\.')}"\\), which is not read`))
  })

  it.each<[string, object]>([
    ['of this project', { quantization_config: { method: 'blocks', bits: 4, block_size: 32 } }],
    ['of the releases', { auto_map: { AutoModel: 'x' } }],
    ['of LLaMA', { architectures: ['LlamaForCausalLM'], model_type: 'llama' }],
    ['that says nothing of itself', { architectures: undefined, model_type: undefined }],
  ])('%s may be a model', (_, fields) => {
    const dir = folder(config(fields))
    rmSync(join(dir, 'model.safetensors'))
    writeSafetensors(join(dir, 'model.safetensors'), [{ name: 'x', dtype: 'F32', shape: [1], data: Float32Array.of(1) }])
    expect(said(dir)).toBe('opened')
  })

  it('whose files are links, as in the cache of the hub, is read', () => {
    const dir = folder({ ...config({}) })
    const other = folder({})
    for (const name of readdirSync(dir)) symlinkSync(join(dir, name), join(other, name))
    expect(() => refuseOtherThings(other)).not.toThrow()
  })
})

describe('a file', () => {
  const tar = Buffer.alloc(512)
  tar.write('ustar', 257, 'latin1')
  it.each<[string, string | Buffer, RegExp]>([
    ['vl-7b.gguf', 'GGUF\u0003', /^weights in llama\.cpp's GGUF format, which is not read; take the model's safetensors/],
    ['model.onnx', '\u0008', /^an ONNX graph, which is not read; take the checkpoint it was exported from$/],
    ['model.zip', 'PK\u0003\u0004', /^an archive; unpack it and name the folder$/],
    ['model', tar, /^an archive; unpack it/],
    ['model.tar.gz', Buffer.of(0x1f, 0x8b, 8), /^an archive; unpack it/],
    ['model.safetensors', POINTER, /^a Git LFS pointer, not the file itself; run "git lfs pull"/],
    ['pytorch_model.bin', 'PK\u0003\u0004', /^one file, expected the folder of a model .*; name .*case-\d+$/],
    ['config.json', '{}', /^one file, expected the folder of a model/],
    ['notes.txt', 'x', /^a file, expected a model directory; name a model directory$/],
    ['empty', '', /^a file, expected a model directory/],
  ])('%s', (name, content, message) => expect(said(join(folder({ [name]: content }), name))).toMatch(message))
})

describe('a path that is not there', () => {
  it.each([
    ['internlm/internlm-xcomposer2-vl-7b', /download it first: xcomposer pull internlm\/internlm-xcomposer2-vl-7b$/],
    [
      'https://huggingface.co/internlm/x/tree/main',
      /^an address, expected a folder; download it first: xcomposer pull internlm\/x$/,
    ],
    ['./no/such/folder', /^no such model directory; name a model directory$/],
    ['with\0nothing', /^no such model directory/],
  ])('%j', (path, message) => expect(said(path)).toMatch(message))
})
