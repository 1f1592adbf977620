import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { openModelDirectory } from './model-directory.js'
import { writeSafetensors } from './safetensors.js'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'model-'))
  writeFileSync(join(dir, 'config.json'), '{"hidden_size": 4}')
})
afterEach(() => rmSync(dir, { recursive: true }))

const shard = (file: string, ...names: string[]) =>
  writeSafetensors(
    join(dir, file),
    names.map((name) => ({ name, dtype: 'F32', shape: [1], data: Float32Array.of(1) }) as const),
  )
const index = (text: string) => writeFileSync(join(dir, 'model.safetensors.index.json'), `{"weight_map":${text}}`)

describe('a model directory', () => {
  it('gives the tensors of one file, without the buffers that loaders ignore', () => {
    shard('model.safetensors', 'a', 'model.layers.0.attention.rotary_emb.inv_freq', 'embeddings.position_ids')
    const model = openModelDirectory(dir)
    expect([...model.tensors.keys()]).toEqual(['a'])
    expect(model.config).toEqual({ hidden_size: 4 })
    expect(model.path('tokenizer.model')).toBe(join(dir, 'tokenizer.model'))
    expect(() => model.path('../config.json')).toThrow(InputError)
  })

  it('gives the tensors of all shards', () => {
    shard('s1.safetensors', 'a', 'b')
    shard('s2.safetensors', 'c')
    index('{"a":"s1.safetensors","b":"s1.safetensors","c":"s2.safetensors"}')
    const { tensors } = openModelDirectory(dir)
    expect([...tensors.keys()].sort()).toEqual(['a', 'b', 'c'])
    expect(tensors.get('c')?.file).toBe(join(dir, 's2.safetensors'))
  })

  it.each([
    ['a path that escapes', '{"a":"../s1.safetensors"}', /plain name inside/],
    ['an absolute path', '{"a":"/etc/passwd"}', /plain name inside/],
    ['a file that is missing', '{"a":"s9.safetensors"}', /s9.safetensors: no such file/],
    ['a tensor the shard lacks', '{"a":"s1.safetensors","b":"s1.safetensors","x":"s1.safetensors"}', /"x" is not in s1/],
    ['a tensor twice', '{"a":"s1.safetensors","a":"s2.safetensors"}', /"a" stands twice/],
    [
      'a tensor that two shards hold',
      '{"a":"s1.safetensors","b":"s2.safetensors"}',
      /"b" is listed in s2.safetensors but also in s1/,
    ],
    ['a shard with more than it lists', '{"a":"s1.safetensors"}', /"b" of s1.safetensors is not in the index/],
    ['a number for a file', '{"a":3}', /"a": expected a file name, got 3/],
    ['a list', '[]', /weight_map: expected an object/],
  ])('refuses an index with %s', (_, text, message) => {
    shard('s1.safetensors', 'a', 'b')
    shard('s2.safetensors', 'b')
    index(text)
    expect(() => openModelDirectory(dir)).toThrow(InputError)
    expect(() => openModelDirectory(dir)).toThrow(message)
  })

  it('says what is missing: the directory, the config or the weights', () => {
    expect(() => openModelDirectory(join(dir, 'nowhere'))).toThrow(/no such model directory/)
    expect(() => openModelDirectory(dir)).toThrow(/no weights, expected model.safetensors/)
    writeFileSync(join(dir, 'pytorch_model.bin'), 'x')
    expect(() => openModelDirectory(dir)).toThrow(/pytorch_model.bin: no zip archive/)
    shard('model.safetensors', 'a')
    rmSync(join(dir, 'config.json'))
    expect(() => openModelDirectory(dir)).toThrow(/no config.json in it, so it is no model directory/)
  })
})
