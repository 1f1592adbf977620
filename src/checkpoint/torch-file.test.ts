import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { archive, dict, p, selfReferring, storage, tensor, zip, zip64 } from '../../tests/support/torch-archive.js'
import { InputError } from '../common/errors.js'
import { readTensor } from './tensors.js'
import { openTorchFile } from './torch-file.js'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'torch-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const golden = fileURLToPath(new URL('../../tests/data/goldens/formats/pytorch_model-00001-of-00001.bin', import.meta.url))

function open(bytes: Buffer) {
  const file = join(dir, 'pytorch_model.bin')
  writeFileSync(file, bytes)
  return openTorchFile(file)
}

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
    expect(() => open(selfReferring(good()))).toThrow(/central directory of 56 bytes/)
    expect(() => open(zip64(good(), { record: good().length - 22 + 56 }))).toThrow(/zip64 end record/)
  })

  it('reads zip64 as torch writes it for more than 4 GB', () => {
    const entry = open(zip64(good())).get('w')
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
