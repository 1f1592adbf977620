import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openModelDirectory } from '../checkpoint/model-directory.js'
import { writeSafetensors } from '../checkpoint/safetensors.js'
import { readTensor } from '../checkpoint/tensors.js'
import { packageRoot } from '../common/package-root.js'
import { fakeIo } from './fake-io.js'
import { main } from './main.js'

const golden = join(packageRoot, 'tests', 'data', 'goldens', 'vlm')
let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'parity-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

async function parity(model: string, reference: string) {
  const io = fakeIo()
  const code = await main(['parity', '--model', model, '--reference', reference], io)
  return { code, ...io.written }
}

it('agrees with the reference on every case', async () => {
  const { code, out, err } = await parity(join(golden, 'checkpoint'), golden)
  expect([code, err]).toEqual([0, ''])
  for (const line of out.trim().split('\n')) expect(line).toMatch(/^case\d+: \d+ tensors agree, largest error /)
})

it('names the layer behind a changed weight, and the kind of position', async () => {
  const { tensors } = openModelDirectory(join(golden, 'checkpoint'))
  cpSync(join(golden, 'checkpoint', 'config.json'), join(dir, 'config.json'))
  const values = [...tensors.values()].map((entry) => ({
    name: entry.name,
    shape: entry.shape,
    dtype: 'F32' as const,
    data: readTensor(entry),
  }))
  const changed = values.find(({ name }) => name === 'model.layers.1.feed_forward.w2.Plora_A.weight')
  changed?.data.forEach((v, i) => {
    if (changed) changed.data[i] = v + 0.5
  })
  writeSafetensors(join(dir, 'model.safetensors'), values)
  const { code, out } = await parity(dir, golden)
  expect(code).toBe(1)
  expect(out).toMatch(/hidden_states\.2 differs first, at position \d+ \(image\), by [\d.e-]+; \d+ tensors before it agree/)
})

it('refuses what is no dump in one line', async () => {
  writeFileSync(join(dir, 'cases.json'), '[{}]')
  const { code, err } = await parity(join(golden, 'checkpoint'), dir)
  expect([code, err.trim().split('\n').length]).toEqual([2, 1])
  expect(err).toContain('cases.json: expected a list of cases')
})
