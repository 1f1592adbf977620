/**
 * The few pickle instructions that a torch state dict is made of, interpreted without running anything. The only names it
 * knows rebuild a tensor, an ordered dict or a storage's type; every other global is refused by name. Knows bytes, not files.
 */
import { InputError } from '../common/errors.js'
import { describe } from '../common/json.js'
import type { Dtype } from './tensors.js'

/** A tensor as the pickle describes it; `storage` is the name of the archive entry that holds its values. */
export interface PickledTensor {
  readonly storage: string
  readonly dtype: Dtype
  /** Elements that the storage claims to have. */
  readonly storageElements: number
  /** First element. */
  readonly offset: number
  readonly shape: readonly number[]
  /** In elements. */
  readonly strides: readonly number[]
}

const STORAGES: Readonly<Record<string, Dtype>> = {
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  DoubleStorage: 'F64',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
}

const MARK = Symbol('mark')
const ORDERED_DICT = Symbol('collections.OrderedDict')
const REBUILD = Symbol('torch._utils._rebuild_tensor_v2')
const REBUILD_PARAMETER = Symbol('torch._utils._rebuild_parameter')

class StorageType {
  constructor(readonly dtype: Dtype) {}
}

class Storage {
  constructor(
    readonly key: string,
    readonly dtype: Dtype,
    readonly elements: number,
  ) {}
}

class Tensor {
  constructor(readonly value: PickledTensor) {}
}

/** Instructions by their byte, named as in Python's pickletools, so that messages can be looked up. */
const NAMES: Readonly<Record<number, string>> = {
  105: 'INST',
  111: 'OBJ',
  82: 'REDUCE',
  98: 'BUILD',
  80: 'PERSID',
  129: 'NEWOBJ',
  130: 'EXT1',
  131: 'EXT2',
  132: 'EXT4',
  146: 'NEWOBJ_EX',
  151: 'NEXT_BUFFER',
}

/**
 * Tensors by name of a pickled state dict.
 * @param what the file, for messages
 * @throws InputError for a global or an instruction that a state dict does not need, or a pickle that breaks off
 */
export function readStateDict(bytes: Uint8Array, what: string): Map<string, PickledTensor> {
  const root = new Machine(bytes, what).run()
  if (!(root instanceof Map)) throw new InputError(`${what}: expected a state dict (names to tensors), got another object`)
  const tensors = new Map<string, PickledTensor>()
  for (const [name, value] of root) {
    if (typeof name !== 'string' || !(value instanceof Tensor)) {
      throw new InputError(`${what}: ${describe(name)}: expected a tensor; only state dicts are read, not whole training states`)
    }
    tensors.set(name, value.value)
  }
  return tensors
}

class Machine {
  private readonly data: DataView
  private readonly stack: unknown[] = []
  private readonly memo = new Map<number, unknown>()
  private at = 0

  constructor(
    private readonly bytes: Uint8Array,
    private readonly what: string,
  ) {
    this.data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  run(): unknown {
    for (;;) {
      const at = this.at
      const code = this.take(1)[0] as number
      if (code === 0x2e) return this.pop()
      if (!this.step(code)) {
        const name = NAMES[code] ?? `0x${code.toString(16)}`
        throw new InputError(`${this.what}: pickle instruction ${name} at byte ${at} is not one that a state dict needs; refused`)
      }
    }
  }

  /** Whether the instruction is known. */
  private step(code: number): boolean {
    const { data } = this
    switch (code) {
      case 0x80: // PROTO
        this.take(1)
        return true
      case 0x95: // FRAME
        this.take(8)
        return true
      case 0x7d: // EMPTY_DICT
        return this.push(new Map())
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        return this.push([])
      case 0x28: // MARK
        return this.push(MARK)
      case 0x4e: // NONE
        return this.push(null)
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        return this.push(code === 0x88)
      case 0x4b: // BININT1
        return this.push(this.take(1)[0])
      case 0x4d: // BININT2
        return this.push(data.getUint16(this.advance(2), true))
      case 0x4a: // BININT
        return this.push(data.getInt32(this.advance(4), true))
      case 0x8a: // LONG1
        return this.push(this.long(this.take(this.take(1)[0] as number)))
      case 0x47: // BINFLOAT
        return this.push(data.getFloat64(this.advance(8), false))
      case 0x58: // BINUNICODE
        return this.push(this.text(data.getUint32(this.advance(4), true)))
      case 0x8c: // SHORT_BINUNICODE
        return this.push(this.text(this.take(1)[0] as number))
      case 0x74: // TUPLE
        return this.push(this.popToMark())
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: {
        // TUPLE3
        const items = Array.from({ length: code - 0x84 }, () => this.pop())
        return this.push(items.reverse())
      }
      case 0x71: // BINPUT
        return this.remember(this.take(1)[0] as number)
      case 0x72: // LONG_BINPUT
        return this.remember(data.getUint32(this.advance(4), true))
      case 0x94: // MEMOIZE
        return this.remember(this.memo.size)
      case 0x68: // BINGET
        return this.recall(this.take(1)[0] as number)
      case 0x6a: // LONG_BINGET
        return this.recall(data.getUint32(this.advance(4), true))
      case 0x63: // GLOBAL
        return this.push(this.global(this.line(), this.line()))
      case 0x93: {
        // STACK_GLOBAL
        const [name, module] = [this.pop(), this.pop()]
        return this.push(this.global(String(module), String(name)))
      }
      case 0x51: // BINPERSID
        return this.push(this.storage(this.pop()))
      case 0x52: {
        // REDUCE
        const [values, callee] = [this.pop(), this.pop()]
        return this.push(this.reduce(callee, values))
      }
      case 0x73: {
        // SETITEM
        const [value, key] = [this.pop(), this.pop()]
        return this.setItems([key, value])
      }
      case 0x75: // SETITEMS
        return this.setItems(this.popToMark())
      case 0x62: // BUILD
        return this.build()
      default:
        return false
    }
  }

  private fail(problem: string): never {
    throw new InputError(`${this.what}: pickle: ${problem}`)
  }

  private advance(count: number): number {
    const at = this.at
    if (count > this.bytes.length - at) this.fail(`ends at byte ${this.bytes.length} in the middle of an instruction`)
    this.at += count
    return at
  }

  private take(count: number): Uint8Array {
    const at = this.advance(count)
    return this.bytes.subarray(at, at + count)
  }

  private text(length: number): string {
    return new TextDecoder().decode(this.take(length))
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at)
    if (end < 0) this.fail('ends in the middle of a name')
    const text = this.text(end - this.at)
    this.at = end + 1
    return text
  }

  /** Two's complement, little-endian. */
  private long(bytes: Uint8Array): number {
    if (bytes.length > 8) this.fail(`an integer of ${bytes.length} bytes, expected at most 8`)
    let value = 0n
    bytes.forEach((byte, i) => {
      value |= BigInt(byte) << BigInt(8 * i)
    })
    return Number(BigInt.asIntN(8 * bytes.length || 1, value))
  }

  private push(value: unknown): true {
    this.stack.push(value)
    return true
  }

  private pop(): unknown {
    if (this.stack.length === 0) this.fail('takes from an empty stack')
    return this.stack.pop()
  }

  private popToMark(): unknown[] {
    const mark = this.stack.lastIndexOf(MARK)
    if (mark < 0) this.fail('a tuple or dict without a start')
    return this.stack.splice(mark).slice(1)
  }

  private remember(index: number): true {
    this.memo.set(index, this.stack.at(-1))
    return true
  }

  private recall(index: number): true {
    if (!this.memo.has(index)) this.fail(`recalls memo ${index}, which was never stored`)
    return this.push(this.memo.get(index))
  }

  private global(module: string, name: string): unknown {
    if (module === 'collections' && name === 'OrderedDict') return ORDERED_DICT
    if (module === 'torch._utils' && name === '_rebuild_tensor_v2') return REBUILD
    if (module === 'torch._utils' && name === '_rebuild_parameter') return REBUILD_PARAMETER
    const dtype = module === 'torch' && Object.hasOwn(STORAGES, name) ? STORAGES[name] : undefined
    if (dtype) return new StorageType(dtype)
    throw new InputError(
      `${this.what}: the pickle asks for ${describe(`${module}.${name}`)}; nothing but tensors is read, so it is refused`,
    )
  }

  private storage(id: unknown): Storage {
    if (Array.isArray(id)) {
      const [kind, type, key, , elements] = id as unknown[]
      if (kind === 'storage' && type instanceof StorageType && typeof key === 'string' && isCount(elements)) {
        return new Storage(key, type.dtype, elements)
      }
    }
    return this.fail('a persistent id that is no tensor storage')
  }

  private reduce(callee: unknown, values: unknown): unknown {
    const list = Array.isArray(values) ? (values as unknown[]) : this.fail('a call without a tuple of arguments')
    if (callee === ORDERED_DICT && list.length === 0) return new Map()
    if (callee === REBUILD_PARAMETER && list[0] instanceof Tensor) return list[0]
    if (callee === REBUILD) return this.tensor(list)
    return this.fail('a call of something that is neither a tensor nor an ordered dict; refused')
  }

  private tensor([storage, offset, shape, strides]: readonly unknown[]): Tensor {
    if (
      !(storage instanceof Storage) ||
      !isCount(offset) ||
      !isCounts(shape) ||
      !isCounts(strides) ||
      shape.length !== strides.length
    ) {
      return this.fail('a tensor whose storage, offset, shape or strides are not what torch writes')
    }
    const { key, dtype, elements } = storage
    return new Tensor({ storage: key, dtype, storageElements: elements, offset, shape, strides })
  }

  private setItems(items: readonly unknown[]): true {
    const target = this.stack.at(-1)
    if (!(target instanceof Map) || items.length % 2 !== 0) return this.fail('sets items of something that is no dict')
    for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1])
    return true
  }

  /** State set on an ordered dict (torch keeps format versions there) is dropped; nothing else may be built. */
  private build(): true {
    this.pop()
    if (!(this.stack.at(-1) instanceof Map)) this.fail('BUILD on something that is no dict; refused')
    return true
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isCount)
}
