/**
 * Golden check "formats": F32, F16 and BF16 safetensors to float32, bit for bit, and the rounding back (SPEC section 3).
 * The folder's torch checkpoint (index, pickle, a strided view) gives the values that torch gave.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { narrowBF16, narrowF16 } from '../checkpoint/half.js'
import { openWeights } from '../checkpoint/model-directory.js'
import { openSafetensors } from '../checkpoint/safetensors.js'
import { readRaw, readTensor } from '../checkpoint/tensors.js'
import type { CaseResult, GoldenCheck } from './check.js'

const TORCH_INDEX = 'pytorch_model.bin.index.json'

function* run(dir: string): Generator<CaseResult> {
  const expected = openSafetensors(join(dir, 'expected_f32.safetensors')).tensors
  for (const kind of ['f16', 'bf16'] as const) {
    const file = openSafetensors(join(dir, `${kind}.safetensors`))
    for (const [name, entry] of file.tensors) {
      const want = expected.get(`from_${kind}.${name}`)
      const got = readTensor(entry)
      const passed = want !== undefined && sameBits(got, readTensor(want))
      yield {
        name: `${kind}/${name}`,
        passed,
        detail: want === undefined ? 'no expected tensor' : `${got.length} values to float32, bit for bit`,
      }
    }
    for (const [name, entry] of openSafetensors(join(dir, 'f32.safetensors')).tensors) {
      const half = file.tensors.get(name)
      const narrow = (kind === 'f16' ? narrowF16 : narrowBF16)(readTensor(entry))
      const passed = half !== undefined && sameBits(narrow, readRaw(half))
      yield { name: `f32 to ${kind}/${name}`, passed, detail: `${narrow.length} values rounded, bit for bit` }
    }
  }
  if (existsSync(join(dir, TORCH_INDEX))) yield* torchTensors(dir)
}

function* torchTensors(dir: string): Generator<CaseResult> {
  const expected = openSafetensors(join(dir, 'expected_bin.safetensors')).tensors
  for (const [name, entry] of openWeights(dir)) {
    const want = expected.get(name)
    const read = entry.dtype.includes('F') ? readTensor : readRaw
    const passed = want !== undefined && want.shape.join() === entry.shape.join() && sameBits(read(entry), read(want))
    yield { name: `torch .bin/${name}`, passed, detail: `${entry.dtype} [${entry.shape.join(', ')}], bit for bit` }
  }
}

function sameBits(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const bytes = (view: ArrayBufferView) => Buffer.from(view.buffer, view.byteOffset, view.byteLength)
  return bytes(a).equals(bytes(b))
}

export const check: GoldenCheck = { folder: 'formats', run }
