/**
 * Tensors in memory that ONNX Runtime reads and writes in place. A Value owns its OrtValue and keeps the array (or the
 * file mapping) referenced: ONNX Runtime only borrows the memory, and a collected array would crash the next run.
 */
import { XComposerError } from '../../common/errors.js'
import { type ArrayOf, type Dtype, dtypeNumber } from '../graph/onnx.js'
import { closed, opened } from './handles.js'
import { ort, out, type Pointer } from './ort.js'

const constructors = {
  f32: Float32Array,
  u8: Uint8Array,
  i8: Int8Array,
  i32: Int32Array,
  i64: BigInt64Array,
  bool: Uint8Array,
} as const

/** A zeroed array outside V8's moving heap (small typed arrays made with `new Float32Array(n)` can move). */
export function allocate<D extends Dtype>(dtype: D, length: number): ArrayOf[D] {
  const make = constructors[dtype]
  return new make(new ArrayBuffer(length * make.BYTES_PER_ELEMENT)) as ArrayOf[D]
}

/** A tensor over borrowed memory; `dispose` once. */
export class Value<D extends Dtype = Dtype> {
  private handle: Pointer

  private constructor(
    readonly dtype: D,
    readonly shape: readonly number[],
    /** The memory; kept referenced as long as the Value lives. */
    readonly data: ArrayOf[D],
    source: ArrayOf[D] | Pointer,
    bytes: number,
  ) {
    const handle = out()
    const dims = BigInt64Array.from(shape, BigInt)
    ort().call('CreateTensorWithDataAsOrtValue', ort().cpuMemory, source, bytes, dims, shape.length, dtypeNumber[dtype], handle)
    this.handle = handle[0]
    opened('value')
  }

  /** Over a typed array, whose length must equal the product of `shape`; writes through either side are seen by both. */
  static of<D extends Dtype>(dtype: D, shape: readonly number[], data: ArrayOf[D]): Value<D> {
    const n = shape.reduce((a, b) => a * b, 1)
    if (data.length !== n) {
      throw new XComposerError(`a ${dtype} tensor of [${shape.join(', ')}] needs ${n} elements, got ${data.length}`)
    }
    return new Value(dtype, shape, data, data, data.byteLength)
  }

  /** A zeroed tensor of its own. */
  static zeros<D extends Dtype>(dtype: D, shape: readonly number[]): Value<D> {
    return Value.of(
      dtype,
      shape,
      allocate(
        dtype,
        shape.reduce((a, b) => a * b, 1),
      ),
    )
  }

  /** The OrtValue pointer, for engine/ only. */
  get pointer(): Pointer {
    if (this.handle === null) throw new XComposerError('a tensor was used after it was disposed')
    return this.handle
  }

  dispose(): void {
    if (this.handle === null) return
    ort().release('ReleaseValue', this.handle)
    this.handle = null
    closed('value')
  }
}
