import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { cacheFolder, hubEndpoint, parseModelName, pulledModel } from './hub-cache.js'

it.each<[string, object]>([
  ['internlm/internlm-xcomposer2-vl-7b', {}],
  ['https://huggingface.co/internlm/internlm-xcomposer2-vl-7b', {}],
  ['https://huggingface.co/internlm/internlm-xcomposer2-vl-7b/', {}],
  ['https://huggingface.co/internlm/internlm-xcomposer2-vl-7b/tree/main', { revision: 'main' }],
  ['https://huggingface.co/internlm/internlm-xcomposer2-vl-7b/blob/v1.0/config.json', { revision: 'v1.0' }],
  ['https://huggingface.co/internlm/internlm-xcomposer2-vl-7b/tree/refs%2Fpr%2F1?x=1#y', { revision: 'refs/pr/1' }],
  ['https://hf.co/internlm/internlm-xcomposer2-vl-7b', {}],
  ['huggingface.co/internlm/internlm-xcomposer2-vl-7b', {}],
  ['hf://internlm/internlm-xcomposer2-vl-7b', {}],
  ['git@hf.co:internlm/internlm-xcomposer2-vl-7b.git', {}],
  [' https://huggingface.co/internlm/internlm-xcomposer2-vl-7b.git ', {}],
  ['https://mirror.example/internlm/internlm-xcomposer2-vl-7b', {}],
])('%s names a model', (text, more) => {
  expect(parseModelName(text, 'https://mirror.example')).toEqual({ id: 'internlm/internlm-xcomposer2-vl-7b', ...more })
})

it.each([
  ['nano', /^"nano": expected ORG\/NAME, as in/],
  ['../x', /expected ORG\/NAME/],
  ['a/b/c', /expected ORG\/NAME/],
  ['https://huggingface.co/', /expected ORG\/NAME/],
  ['https://huggingface.co/datasets/org/name', /no model but one of the datasets; expected ORG\/NAME/],
  ['https://modelscope.cn/models/org/name', /an address of another hub than https:\/\/huggingface\.co; set HF_ENDPOINT/],
])('%s is refused', (text, message) =>
  expect(() => parseModelName(text, hubEndpoint('https://huggingface.co/'))).toThrow(message),
)

it('finds a model that was pulled as a whole, by its name', () => {
  const home = mkdtempSync(join(tmpdir(), 'hub-cache-'))
  const folder = cacheFolder('org/name', home)
  const snapshot = join(folder, 'snapshots', 'c0ffee')
  expect(pulledModel('org/name', home)).toBeUndefined()
  mkdirSync(snapshot, { recursive: true })
  writeFileSync(join(snapshot, 'config.json'), '{}')
  // Without a reference the download has not ended.
  expect(pulledModel('org/name', home)).toBeUndefined()
  mkdirSync(join(folder, 'refs'))
  writeFileSync(join(folder, 'refs', 'main'), 'c0ffee\n')
  expect(pulledModel('org/name', home)).toBe(snapshot)
  expect(pulledModel('../name', home)).toBeUndefined()
  rmSync(home, { recursive: true })
})
