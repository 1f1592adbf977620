import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { openSafetensors, writeSafetensors } from './safetensors.js'
import { readRaw, readTensor, type TensorEntry } from './tensors.js'

let dir = ''
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'safetensors-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

/** A file from header text and data, written by hand. */
function raw(header: string, dataBytes: number, claimed?: bigint): string {
  const json = Buffer.from(header)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(claimed ?? BigInt(json.length))
  const file = join(dir, 'raw.safetensors')
  writeFileSync(file, Buffer.concat([length, json, Buffer.alloc(dataBytes, 1)]))
  return file
}

const tensor = (shape: string, offsets: string, dtype = 'F32') =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`
const entryOf = (tensors: Map<string, TensorEntry>, name: string): TensorEntry => {
  const entry = tensors.get(name)
  if (entry === undefined) throw new Error(`no ${name}`)
  return entry
}

describe('a bad safetensors file is refused with one clear error', () => {
  const cases: [string, string, number, RegExp, bigint?][] = [
    ['header length 2^63-1', '{}', 0, /header length 9223372036854775807, expected at most 2/, 2n ** 63n - 1n],
    ['header length of file size + 1', '{}', 0, /header length 11/, 11n],
    [
      'two tensors on the same bytes',
      `{"a":${tensor('[1]', '[0,4]')},"b":${tensor('[1]', '[0,4]')}}`,
      4,
      /"b" overlaps "a" by 4 bytes/,
    ],
    [
      'a hole of 8 bytes',
      `{"a":${tensor('[1]', '[0,4]')},"b":${tensor('[1]', '[12,16]')}}`,
      16,
      /"b" leaves a hole after "a" of 8 bytes/,
    ],
    ['a hole at the start', `{"a":${tensor('[1]', '[4,8]')}}`, 8, /hole after the header/],
    ['bytes after the last tensor', `{"a":${tensor('[1]', '[0,4]')}}`, 5, /1 bytes after the last tensor/],
    ['reversed offsets', `{"a":${tensor('[1]', '[4,0]')}}`, 4, /data_offsets \[4, 0\]/],
    ['offsets behind the end', `{"a":${tensor('[2]', '[0,8]')}}`, 4, /<= 4 \(the data in the file\)/],
    ['size != shape x dtype', `{"a":${tensor('[2,3]', '[0,20]')}}`, 20, /20 bytes, expected 24 for F32 \[2, 3\]/],
    ['shape product over 2^53', `{"a":${tensor('[134217728,134217728]', '[0,4]')}}`, 4, /larger than 2\^53/],
    ['negative dimension', `{"a":${tensor('[-1]', '[0,4]')}}`, 4, /shape \[-1\]/],
    ['fractional dimension', `{"a":${tensor('[0.5]', '[0,2]')}}`, 2, /shape \[0.5\]/],
    ['duplicate key', `{"a":${tensor('[1]', '[0,4]')},"\\u0061":${tensor('[1]', '[0,4]')}}`, 4, /key "a" stands twice/],
    ['metadata with a number', '{"__metadata__":{"step":3}}', 0, /__metadata__.step: expected a string, got 3/],
    ['unknown dtype', `{"a":${tensor('[1]', '[0,4]', 'toString')}}`, 4, /dtype "toString", expected one of/],
    ['a list as header', '[]', 0, /expected a JSON object, got \[\]/],
    ['no JSON', '{"a":', 0, /expected a JSON object in UTF-8/],
    ['deep nesting', '['.repeat(100_000), 0, /expected a JSON object/],
    ['deep nesting that is valid JSON', `{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`, 0, /"a": .* nested too deeply to show/],
  ]
  it.each(cases)('%s', (_, header, dataBytes, message, claimed) => {
    const file = raw(header, dataBytes, claimed)
    expect(() => openSafetensors(file)).toThrow(InputError)
    expect(() => openSafetensors(file)).toThrow(message)
    expect(() => openSafetensors(file)).toThrow(file)
  })

  it('an empty file, a missing one and a directory', () => {
    writeFileSync(join(dir, 'empty'), '')
    for (const file of [join(dir, 'empty'), join(dir, 'missing'), dir]) expect(() => openSafetensors(file)).toThrow(InputError)
  })

  it('any file with changed bytes opens or throws InputError', () => {
    const file = join(dir, 'fuzz.safetensors')
    writeSafetensors(file, [
      { name: 'a', dtype: 'F32', shape: [2, 3], data: new Float32Array(6) },
      { name: 'b', dtype: 'F16', shape: [3], data: new Float32Array(3) },
    ])
    const good = readFileSync(file)
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(good.length), (changes, cut) => {
        const bytes = Buffer.from(good)
        for (const [at, value] of changes) bytes[at] = value
        writeFileSync(file, cut % 3 === 0 ? bytes.subarray(0, cut) : bytes)
        try {
          for (const entry of openSafetensors(file).tensors.values()) readRaw(entry)
        } catch (error) {
          expect(error).toBeInstanceOf(InputError)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('a written file', () => {
  it('reads back the same, with every dtype aligned to its elements', () => {
    const file = join(dir, 'round.safetensors')
    const floats = Float32Array.of(1, -2.5, 0.1, Number.POSITIVE_INFINITY, Number.NaN, -0)
    writeSafetensors(
      file,
      [
        { name: 'mask', dtype: 'U8', shape: [3], data: Uint8Array.of(1, 0, 1) },
        { name: 'half', dtype: 'F16', shape: [2, 3], data: floats },
        { name: 'brain', dtype: 'BF16', shape: [6], data: () => floats },
        { name: 'ids', dtype: 'I64', shape: [2], data: BigInt64Array.of(-1n, 2n ** 60n) },
        { name: '__proto__', dtype: 'F32', shape: [6], data: floats },
        { name: 'none', dtype: 'F32', shape: [0, 7], data: new Float32Array() },
        { name: 'scalar', dtype: 'F32', shape: [], data: Float32Array.of(7) },
      ],
      { format: 'pt' },
    )
    const { tensors, metadata } = openSafetensors(file)
    expect([...metadata]).toEqual([['format', 'pt']])
    expect(Math.min(...[...tensors.values()].map((entry) => entry.offset)) % 64).toBe(0)
    expect(readTensor(entryOf(tensors, '__proto__'))).toEqual(floats)
    expect([...readTensor(entryOf(tensors, 'half'))]).toEqual([
      1,
      -2.5,
      0.0999755859375,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      -0,
    ])
    expect(readTensor(entryOf(tensors, 'brain'))[2]).toBe(0.10009765625)
    expect([...new BigInt64Array(readRaw(entryOf(tensors, 'ids')).buffer)]).toEqual([-1n, 2n ** 60n])
    expect([...readRaw(entryOf(tensors, 'mask'))]).toEqual([1, 0, 1])
    expect(readTensor(entryOf(tensors, 'none')).length).toBe(0)
    expect(entryOf(tensors, 'scalar').shape).toEqual([])
    expect(() => readTensor(entryOf(tensors, 'ids'))).toThrow(/dtype I64, expected F32/)
    for (const { offset, byteLength, shape } of tensors.values()) {
      const elements = shape.reduce((a, b) => a * b, 1)
      if (elements > 0) expect(offset % (byteLength / elements)).toBe(0)
    }
  })

  it('is all or nothing: a failure leaves the old file and no temporary one', () => {
    const file = join(dir, 'atomic.safetensors')
    writeSafetensors(file, [{ name: 'a', dtype: 'F32', shape: [1], data: Float32Array.of(1) }])
    const before = readFileSync(file)
    const wrong = { name: 'b', dtype: 'F32', shape: [2], data: new Float32Array(3) } as const
    expect(() => writeSafetensors(file, [wrong])).toThrow(/"b": Float32Array of 12 bytes, expected 8 for F32 \[2\]/)
    expect(() => writeSafetensors(file, [wrong, wrong])).toThrow(/the name is taken/)
    expect(readFileSync(file)).toEqual(before)
    expect(readdirSync(dir).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })
})
