/** Torch files written by hand for tests: good ones, and those that torch.save would never make. */

/** Pickle instructions, each as bytes. */
export const p = {
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

/** A storage of `elements` values, by its persistent id. */
export function storage(elements: number, key = '0', type = 'torch.FloatStorage'): Buffer {
  const id = p.tuple(p.text('storage'), p.global(type), p.text(key), p.text('cpu'), p.int(elements))
  return Buffer.concat([id, Buffer.from('Q')])
}

/** A view of a storage. */
export function tensor(from: Buffer, offset: number, shape: number[], strides: number[]): Buffer {
  const sizes = [shape, strides].map((list) => p.tuple(...list.map(p.int)))
  const hooks = p.call(p.global('collections.OrderedDict'), Buffer.from(')'))
  const args = p.tuple(from, p.int(offset), ...sizes, Buffer.from([0x89]), hooks)
  return p.call(p.global('torch._utils._rebuild_tensor_v2'), args)
}

/** A state dict of one entry. */
export const dict = (name: string, value: Buffer) =>
  Buffer.concat([Buffer.from([0x80, 2, 0x7d]), Buffer.from('('), p.text(name), value, Buffer.from('u.')])

/** A zip of entries stored as they are, whatever `method` claims. */
export function zip(entries: Record<string, Buffer>, method = 0): Buffer {
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

const values = Buffer.from(Float32Array.of(1, 2, 3, 4, 5, 6).buffer)

/** What torch.save writes: a pickle, and the values of storage "0", which are 1 to 6. */
export const archive = (pickle: Buffer) => zip({ 'm/data.pkl': pickle, 'm/data/0': values })

/** `plain` with a zip64 directory of `length` bytes at `start`, its end record said to stand at `record`; by default all as it should be. */
export function zip64(plain: Buffer, claims: { length?: number; start?: number; record?: number } = {}): Buffer {
  const body = plain.subarray(0, -22)
  const { length = plain.readUInt32LE(body.length + 12), start = plain.readUInt32LE(body.length + 16) } = claims
  const record = Buffer.alloc(56)
  record.writeUInt32LE(0x06064b50, 0)
  record.writeBigUInt64LE(2n, 32)
  record.writeBigUInt64LE(BigInt(length), 40)
  record.writeBigUInt64LE(BigInt(start), 48)
  const locator = Buffer.alloc(20)
  locator.writeUInt32LE(0x07064b50, 0)
  locator.writeBigUInt64LE(BigInt(claims.record ?? body.length), 8)
  const end = Buffer.from(plain.subarray(-22))
  end.writeUInt32LE(0xffffffff, 16)
  return Buffer.concat([body, record, locator, end])
}

/** One whose directory is its own end record. */
export const selfReferring = (plain: Buffer) => zip64(plain, { length: 56, start: plain.length - 22 })
