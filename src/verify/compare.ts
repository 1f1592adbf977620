/** Comparing arrays of numbers with the goldens' tolerances. */
import { openSafetensors } from '../checkpoint/safetensors.js'
import { readRaw, readTensor } from '../checkpoint/tensors.js'

/** Largest |a - b|, and the largest |a - b| / (absolute + relative |b|), which passes up to 1. */
export interface Difference {
  readonly largest: number
  readonly ratio: number
}

/** Compares `got` with `wanted` under |a - b| <= absolute + relative * |b|; other lengths and NaN give Infinity. */
export function difference(got: ArrayLike<number>, wanted: ArrayLike<number>, absolute = 1e-4, relative = 1e-4): Difference {
  if (got.length !== wanted.length) return { largest: Number.POSITIVE_INFINITY, ratio: Number.POSITIVE_INFINITY }
  let largest = 0
  let ratio = 0
  for (let i = 0; i < got.length; i++) {
    const b = wanted[i] as number
    const d = Math.abs((got[i] as number) - b)
    if (!(d <= Number.MAX_VALUE)) return { largest: Number.POSITIVE_INFINITY, ratio: Number.POSITIVE_INFINITY }
    largest = Math.max(largest, d)
    ratio = Math.max(ratio, d / (absolute + relative * Math.abs(b)))
  }
  return { largest, ratio }
}

/** A golden tensor file: float tensors as float32, integer and mask tensors as numbers, with shapes. */
export interface GoldenTensors {
  readonly names: readonly string[]
  shape(name: string): readonly number[]
  floats(name: string): Float32Array
  integers(name: string): Int32Array
  has(name: string): boolean
}

/** Opens a safetensors file of a golden folder. @throws InputError when the file or a tensor is not there */
export function goldenTensors(file: string): GoldenTensors {
  const { tensors } = openSafetensors(file)
  const entry = (name: string) => {
    const found = tensors.get(name)
    if (!found) throw new RangeError(`${file}: no tensor "${name}"`)
    return found
  }
  return {
    names: [...tensors.keys()],
    has: (name) => tensors.has(name),
    shape: (name) => entry(name).shape,
    floats: (name) => readTensor(entry(name)),
    integers(name) {
      const e = entry(name)
      const raw = readRaw(e)
      if (e.dtype === 'U8' || e.dtype === 'BOOL') return Int32Array.from(raw)
      const bytes = raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength)
      return e.dtype === 'I64' ? Int32Array.from(new BigInt64Array(bytes), Number) : new Int32Array(bytes)
    },
  }
}
