/**
 * From image file and question to text, with the real vocabulary: a copy of the e2e reference data that the repository can hold. Rows of
 * the two vocabulary matrices that no case reads or writes are zero but for every fortieth of the output's: a zero row's logit is 0 and
 * never the largest here, so the reference's ids stay what they are. Its beams need every row and are checked on the whole folder.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, expect, it } from 'vitest'
import { wholeGoldens } from '../../tests/support/golden-folders.js'
import { packageRoot } from '../common/package-root.js'
import { liveHandles } from '../engine/index.js'
import { check } from './e2e.js'

const data = join(packageRoot, 'tests', 'data')
const dir = mkdtempSync(join(tmpdir(), 'e2e-'))
afterAll(() => rmSync(dir, { recursive: true }))

it('answers about images are those of the reference', async () => {
  cpSync(join(data, 'e2e'), dir, { recursive: true })
  const shard = join(dir, 'checkpoint', 'model-00001-of-00002.safetensors')
  writeFileSync(shard, gunzipSync(readFileSync(`${shard}.gz`)))
  cpSync(join(data, 'goldens', 'tokenizer', 'tokenizer.model'), join(dir, 'tokenizer.model'))
  const results = []
  for await (const result of check.run(dir)) results.push(result)
  expect(results.filter(({ passed }) => !passed)).toEqual([])
  expect(results).toHaveLength(3 + 5 * 3)
  expect(liveHandles().byKind).toEqual({})
})

for (const whole of wholeGoldens('e2e')) {
  it('so they are with every row, beams included', async () => {
    const results = []
    for await (const result of check.run(whole)) results.push(result)
    expect(results.filter(({ passed }) => !passed)).toEqual([])
  })
}
