/**
 * Golden check of image preprocessing: decoded bytes, both resize kernels, squash and square-pad bytes, normalised floats.
 * PNG bytes and every resize are exact; JPEG decoders may differ by 3 levels (0.6 on average), so the resize of a JPEG is
 * checked from the reference's decoded pixels. Tensors that the folder may lack are compared when present (SPEC 6).
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { openSafetensors } from '../checkpoint/safetensors.js'
import { readRaw, type TensorEntry } from '../checkpoint/tensors.js'
import { decodeImage, type RgbImage } from '../image/decode.js'
import { normalise, preprocess, squarePad } from '../image/preprocess.js'
import { resize } from '../image/resize.js'
import type { CaseResult, GoldenCheck } from './check.js'

const Squash = z.object({
  u8_sha256: z.string(),
  f32_sha256: z.string(),
  sample_index: z.array(z.number()),
  sample_value: z.array(z.number()),
})
const Case = z.object({
  file: z.string().regex(/^[\w.-]+$/),
  size: z.tuple([z.number(), z.number()]),
  rgb_sha256: z.string(),
  squash224: Squash,
  squash490: Squash,
  square_pad_then_squash490: z.object({ padded: z.tuple([z.number(), z.number()]), u8_sha256: z.string() }),
})
type Tensors = ReadonlyMap<string, TensorEntry>

const FLOAT_TOLERANCE = 1e-6

export const check: GoldenCheck = {
  folder: 'preprocess',
  async *run(dir) {
    const tensors = (name: string): Tensors => {
      const file = join(dir, `${name}.safetensors`)
      return existsSync(file) ? openSafetensors(file).tensors : new Map()
    }
    yield* kernels(dir, tensors('resize_kernels'))
    const decoded = tensors('jpeg_decoded_rgb')
    const resized = tensors('resized_u8')
    const floats = tensors('f32_example')
    for (const c of z.array(Case).parse(JSON.parse(readFileSync(join(dir, 'expected.json'), 'utf8')))) {
      const got = await decodeImage(join(dir, 'images', c.file), { reading: 'reference' })
      const reference = decoded.get(c.file)
      yield decoding(c, got, reference)
      const image = reference ? imageOf(reference) : got
      for (const size of [224, 490] as const) {
        const expected = size === 224 ? c.squash224 : c.squash490
        const small = resize(image, size, size)
        const full = resized.get(`${c.file}.squash${size}.u8`)
        const detail = full ? `largest difference ${largest(small.data, readRaw(full))}` : 'by hash'
        yield { name: `${c.file} squash ${size}`, passed: sha(small.data) === expected.u8_sha256, detail }
        const values = normalise(small)
        const errors = expected.sample_index.map((at, i) =>
          Math.abs((values[at] ?? Number.NaN) - (expected.sample_value[i] ?? 0)),
        )
        const whole = floats.get(`${c.file}.squash${size}.f32`)
        if (whole) errors.push(largest(preprocess(image, size), new Float32Array(readRaw(whole).buffer)))
        const largestError = Math.max(...errors)
        const exact = sha(new Uint8Array(values.buffer)) === expected.f32_sha256 ? 'bit-equal' : 'bits differ'
        yield { name: `${c.file} float ${size}`, passed: largestError <= FLOAT_TOLERANCE, largestError, detail: exact }
      }
      const padded = squarePad(image)
      const [width, height] = c.square_pad_then_squash490.padded
      const same = padded.width === width && padded.height === height
      const passed = same && sha(resize(padded, 490, 490).data) === c.square_pad_then_squash490.u8_sha256
      yield { name: `${c.file} square pad`, passed }
    }
  },
}

function* kernels(dir: string, tensors: Tensors): Generator<CaseResult> {
  const cases = z
    .array(z.object({ case: z.number(), dst: z.tuple([z.number(), z.number()]) }))
    .parse(JSON.parse(readFileSync(join(dir, 'resize_kernels.json'), 'utf8')))
  for (const c of cases) {
    const input = tensors.get(`${c.case}.in`)
    for (const filter of ['bicubic', 'bilinear'] as const) {
      const output = tensors.get(`${c.case}.${filter}`)
      const name = `kernel ${c.case} ${filter}`
      if (!input || !output) {
        yield { name, passed: false, detail: 'tensor missing' }
        continue
      }
      const largestError = largest(resize(imageOf(input), c.dst[0], c.dst[1], filter).data, readRaw(output))
      yield { name, passed: largestError === 0, largestError }
    }
  }
}

function decoding(c: z.infer<typeof Case>, got: RgbImage, reference: TensorEntry | undefined): CaseResult {
  const name = `${c.file} decode`
  if (got.width !== c.size[0] || got.height !== c.size[1]) {
    return { name, passed: false, detail: `got ${got.width}x${got.height}, expected ${c.size.join('x')}` }
  }
  if (!reference) return { name, passed: sha(got.data) === c.rgb_sha256 }
  const expected = readRaw(reference)
  const largestError = largest(got.data, expected)
  const mean = got.data.reduce((sum, v, i) => sum + Math.abs(v - (expected[i] ?? 0)), 0) / got.data.length
  return { name, passed: largestError <= 3 && mean < 0.6, largestError, detail: `mean difference ${mean.toFixed(3)}` }
}

function imageOf(entry: TensorEntry): RgbImage {
  const [height = 0, width = 0] = entry.shape
  return { width, height, data: readRaw(entry) }
}

function largest(a: Uint8Array | Float32Array, b: Uint8Array | Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let error = 0
  for (let i = 0; i < a.length; i++) error = Math.max(error, Math.abs((a[i] ?? 0) - (b[i] ?? 0)))
  return error
}

function sha(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
