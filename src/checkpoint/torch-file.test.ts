import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InputError } from '../errors.js'
import { readTensor } from './tensors.js'
import { openTorchFile } from './torch-file.js'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'torch-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const golden = fileURLToPath(new URL('../../tests/data/goldens/formats/pytorch_model-00001-of-00001.bin', import.meta.url))

/** Pickle instructions, each as bytes. */
const p = {
  global: (name: string) => Buffer.from(`c${name.replace('.', '\n').replace(/^(torch)\n(_utils)\./, '$1.$2\n')}\n`),
  text: (value: string) => {
    const bytes = Buffer.from(value)
    const head = Buffer.from([0x58, 0, 0, 0, 0])
    head.writeUInt32LE(bytes.length, 1)
    return Buffer.concat([head, bytes])
  },
  int: (value: number) => {
    const bytes = Buffer.alloc(10)
    bytes[0] = 0x8a
    bytes[1] = 8
    bytes.writeBigInt64LE(BigInt(value), 2)
    return bytes
  },
  tuple: (...items: Buffer[]) => Buffer.concat([Buffer.from('('), ...items, Buffer.from('t')]),
  call: (callee: Buffer, args: Buffer) => Buffer.concat([callee, args, Buffer.from('R')]),
}

function storage(elements: number, key = '0', type = 'torch.FloatStorage'): Buffer {
  const id = p.tuple(p.text('storage'), p.global(type), p.text(key), p.text('cpu'), p.int(elements))
  return Buffer.concat([id, Buffer.from('Q')])
}

function tensor(from: Buffer, offset: number, shape: number[], strides: number[]): Buffer {
  const sizes = [shape, strides].map((list) => p.tuple(...list.map(p.int)))
  const hooks = p.call(p.global('collections.OrderedDict'), Buffer.from(')'))
  const args = p.tuple(from, p.int(offset), ...sizes, Buffer.from([0x89]), hooks)
  return p.call(p.global('torch._utils._rebuild_tensor_v2'), args)
}

const dict = (name: string, value: Buffer) =>
  Buffer.concat([Buffer.from([0x80, 2, 0x7d]), Buffer.from('('), p.text(name), value, Buffer.from('u.')])

/** A zip of stored entries; `edit` may spoil it. */
function zip(entries: Record<string, Buffer>, method = 0): Buffer {
  const parts: Buffer[] = []
  const central: Buffer[] = []
  let at = 0
  for (const [name, data] of Object.entries(entries)) {
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(method, 8)
    local.writeUInt32LE(data.length, 18)
    local.writeUInt32LE(data.length, 22)
    local.writeUInt16LE(name.length, 26)
    const head = Buffer.alloc(46)
    head.writeUInt32LE(0x02014b50, 0)
    head.writeUInt16LE(method, 10)
    head.writeUInt32LE(data.length, 20)
    head.writeUInt32LE(data.length, 24)
    head.writeUInt16LE(name.length, 28)
    head.writeUInt32LE(at, 42)
    central.push(head, Buffer.from(name))
    parts.push(local, Buffer.from(name), data)
    at += 30 + name.length + data.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(Object.keys(entries).length, 8)
  end.writeUInt16LE(Object.keys(entries).length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...parts, directory, end])
}

function open(bytes: Buffer) {
  const file = join(dir, 'pytorch_model.bin')
  writeFileSync(file, bytes)
  return openTorchFile(file)
}
const values = Buffer.from(Float32Array.of(1, 2, 3, 4, 5, 6).buffer)
const archive = (pickle: Buffer, data: Buffer = values) => zip({ 'm/data.pkl': pickle, 'm/data/0': data })

describe('a torch file', () => {
  it('gives tensors end to end and views with strides', () => {
    const whole = open(archive(dict('w', tensor(storage(6), 2, [2, 2], [2, 1])))).get('w')
    expect(whole && !whole.strides && [...readTensor(whole)]).toEqual([3, 4, 5, 6])
    const turned = open(archive(dict('w', tensor(storage(6), 0, [3, 2], [1, 3])))).get('w')
    expect(turned?.strides && [...readTensor(turned)]).toEqual([1, 4, 2, 5, 3, 6])
    const scalar = open(archive(dict('w', tensor(storage(6), 5, [], [])))).get('w')
    expect(scalar && [...readTensor(scalar)]).toEqual([6])
  })

  const system = p.call(p.global('os.system'), p.tuple(p.text('touch pwned')))
  it.each([
    ['os.system', dict('w', system), /asks for "os.system".*refused/],
    ['eval', dict('w', p.call(p.global('builtins.eval'), p.tuple(p.text('1')))), /"builtins.eval".*refused/],
    [
      'a global behind STACK_GLOBAL',
      dict('w', Buffer.concat([p.text('os'), p.text('system'), Buffer.from([0x93])])),
      /"os.system"/,
    ],
    ['an object built by INST', Buffer.from('\x80\x02(ios\nsystem\n.', 'latin1'), /INST.*refused/],
    ['a prototype as a storage type', dict('w', storage(6, '0', 'torch.constructor')), /"torch.constructor"/],
    [
      '2^40 elements',
      dict('w', tensor(storage(2 ** 40), 0, [2 ** 40], [1])),
      /1099511627776 F32, but the archive holds 24 bytes/,
    ],
    ['a tensor beyond its storage', dict('w', tensor(storage(6), 4, [3], [1])), /reaches element 6, but its storage has 6/],
    [
      'an endless tensor of stride 0',
      dict('w', tensor(storage(6), 0, [2 ** 40, 2], [0, 1])),
      /bytes of values from a storage of 24/,
    ],
    ['a product over 2^53', dict('w', tensor(storage(6), 0, [2 ** 50, 2 ** 50], [0, 0])), /larger than 2\^53/],
    ['a missing storage', dict('w', tensor(storage(6, '7'), 0, [1], [1])), /storage "7" is not in the archive/],
    ['a negative offset', dict('w', tensor(storage(6), -1, [1], [1])), /not what torch writes/],
    ['a whole training state', dict('optimizer', Buffer.from('}')), /"optimizer": expected a tensor/],
    ['a pickle that breaks off', dict('w', tensor(storage(6), 0, [6], [1])).subarray(0, -9), /pickle: /],
  ])('refuses %s', (_, pickle, message) => {
    expect(() => open(archive(pickle))).toThrow(message)
    expect(() => open(archive(pickle))).toThrow(InputError)
  })

  const good = () => archive(dict('w', tensor(storage(6), 0, [6], [1])))
  it('refuses archives that are compressed, double, or no archives', () => {
    expect(() => open(zip({ 'm/data.pkl': Buffer.from('x') }, 8))).toThrow(/is compressed/)
    expect(() => open(zip({ 'm/other': Buffer.from('x') }))).toThrow(/no data.pkl/)
    expect(() => open(Buffer.from('<html>not found</html>'))).toThrow(/no zip archive/)
    expect(() => open(Buffer.alloc(0))).toThrow(/no zip archive/)
    const overlapping = good()
    overlapping.writeUInt32LE(0, overlapping.lastIndexOf('PK\x01\x02') + 42)
    expect(() => open(overlapping)).toThrow(/overlap/)
  })

  it('refuses a zip64 directory that points at itself', () => {
    const plain = good()
    const record = Buffer.alloc(56)
    record.writeUInt32LE(0x06064b50, 0)
    record.writeBigUInt64LE(2n, 32)
    record.writeBigUInt64LE(56n, 40)
    record.writeBigUInt64LE(BigInt(plain.length - 22), 48)
    const locator = Buffer.alloc(20)
    locator.writeUInt32LE(0x07064b50, 0)
    locator.writeBigUInt64LE(BigInt(plain.length - 22), 8)
    const end = Buffer.from(plain.subarray(-22))
    end.writeUInt32LE(0xffffffff, 16)
    const spoiled = Buffer.concat([plain.subarray(0, -22), record, locator, end])
    expect(() => open(spoiled)).toThrow(/central directory of 56 bytes/)
    locator.writeBigUInt64LE(BigInt(plain.length - 22 + 56), 8)
    expect(() => open(Buffer.concat([plain.subarray(0, -22), record, locator, end]))).toThrow(/zip64 end record/)
  })

  it('reads zip64 as torch writes it for more than 4 GB', () => {
    const plain = good()
    const [length, start] = [plain.readUInt32LE(plain.length - 10), plain.readUInt32LE(plain.length - 6)]
    const record = Buffer.alloc(56)
    record.writeUInt32LE(0x06064b50, 0)
    record.writeBigUInt64LE(2n, 32)
    record.writeBigUInt64LE(BigInt(length), 40)
    record.writeBigUInt64LE(BigInt(start), 48)
    const locator = Buffer.alloc(20)
    locator.writeUInt32LE(0x07064b50, 0)
    locator.writeBigUInt64LE(BigInt(plain.length - 22), 8)
    const end = Buffer.from(plain.subarray(-22))
    end.writeUInt32LE(0xffffffff, 16)
    const entry = open(Buffer.concat([plain.subarray(0, -22), record, locator, end])).get('w')
    expect(entry && [...readTensor(entry)]).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('survives any damage: the same tensors, or one InputError', () => {
    const bytes = readFileSync(golden)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const spoiled = cut ? bytes.subarray(0, at) : Buffer.from(bytes)
        if (!cut) spoiled[at] = byte
        try {
          expect(open(spoiled).size).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toBeInstanceOf(InputError)
        }
      }),
      { numRuns: 400 },
    )
  })
})
