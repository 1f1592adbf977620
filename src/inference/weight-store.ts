/**
 * A checkpoint's weights in memory for inference: float32 tensors where they lie in the mapped file, half precision widened
 * once, quantised blocks as they are. Every graph that asks for a weight gets the same memory.
 */
import { basename, resolve } from 'node:path'
import { readRaw, readTensor, type TensorEntry } from '../checkpoint/tensors.js'
import { DisposedError, InputError } from '../common/errors.js'
import {
  allocate,
  canMapFiles,
  type Graph,
  linear,
  MappedFile,
  quantizedLinear,
  type Session,
  type Tensor,
  Value,
} from '../engine/index.js'
import { dequantizeRows } from '../model/block-format.js'
import { packedRowOrder, reorderRows } from '../model/decoder/attention.js'
import { blockSuffix, nanNotice, type OpenCheckpoint } from '../model/open-checkpoint.js'
import { embeddingTable } from '../model/parameter-spec.js'
import type { Weights } from '../model/weights.js'

/** How often pages are given back while a session copies them. */
const RELEASE_MS = 50

/** Owns the Values of one model; `dispose` after the sessions that use them. */
export class WeightStore {
  private readonly values = new Map<string, Value>()
  private readonly mappings = new Map<string, MappedFile>()
  private readonly shapes: ReadonlyMap<string, readonly number[]>
  private readonly rowOrder: Int32Array
  /** Stored tensors whose rows are brought into the order that the fused attention reads. */
  private readonly reordered: ReadonlySet<string>
  private disposed = false

  /** @param onNotice receives one line for each tensor with values that are no numbers */
  constructor(
    private readonly model: OpenCheckpoint,
    private readonly onNotice: (line: string) => void = () => {},
  ) {
    this.shapes = new Map(model.specs.map((s) => [s.name, s.shape]))
    this.rowOrder = packedRowOrder(model.config.decoder)
    const inOrder = model.config.quantization?.packedRows
    this.reordered = new Set(
      model.specs.flatMap(({ name, packed }) => {
        if (!packed) return []
        if (!model.formats.has(name)) return [name]
        return inOrder ? [] : [name + blockSuffix.values, name + blockSuffix.scales]
      }),
    )
  }

  /** The weights as the model code asks for them. */
  weights(): Weights {
    const { model } = this
    const tensor = (g: Graph, name: string, shared: boolean): Tensor => g.weight(name, 'f32', this.shapes.get(name) ?? [], shared)
    return {
      tensor: (g, name) => tensor(g, name, false),
      has: (name) => this.shapes.has(name),
      product: (g, x, name) => {
        const weight = `${name}.weight`
        const format = model.formats.get(weight)
        if (!format) return linear(g, x, tensor(g, weight, true))
        const [values, scales] = [weight + blockSuffix.values, weight + blockSuffix.scales]
        return quantizedLinear(
          g,
          x,
          g.weight(values, 'u8', this.entry(values).shape, true),
          g.weight(scales, 'f32', [this.entry(scales).shape.reduce((a, b) => a * b, 1)], true),
          format,
        )
      },
    }
  }

  /** Values for everything that a graph leaves open. */
  valuesFor(g: Graph): Map<string, Value> {
    return new Map(g.openWeights.map(({ name, shape }) => [name, this.value(name, shape)]))
  }

  /** A float tensor's values, for what is no part of a graph. */
  floats(name: string): Float32Array {
    return this.value(name, this.entry(name).shape).data as Float32Array
  }

  /** Rows of the embedding table as float32, one id after the other: [ids, hidden]. */
  embed(ids: ArrayLike<number>): Float32Array {
    const { hiddenSize, vocabularySize } = this.model.config.decoder
    const out = allocate('f32', ids.length * hiddenSize)
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as number
      if (!(id >= 0 && id < vocabularySize)) throw new InputError(`token id ${id} is outside the vocabulary of ${vocabularySize}`)
      out.set(this.embeddingRow(id), i * hiddenSize)
    }
    return out
  }

  private embeddingRow(id: number): Float32Array {
    const name = embeddingTable
    const { hiddenSize, vocabularySize } = this.model.config.decoder
    const format = this.model.formats.get(name)
    if (format) {
      const blocks = Math.ceil(hiddenSize / format.blockSize)
      const values = this.value(name + blockSuffix.values, this.entry(name + blockSuffix.values).shape).data as Uint8Array
      const scales = this.value(name + blockSuffix.scales, [vocabularySize * blocks]).data as Float32Array
      return dequantizeRows({ values, scales }, id, 1, hiddenSize, format)
    }
    const table = this.value(name, [vocabularySize, hiddenSize]).data as Float32Array
    return table.subarray(id * hiddenSize, (id + 1) * hiddenSize)
  }

  /**
   * Opens a session over these weights. It copies what it packs, so the pages of mapped files are given back while it goes on: the model
   * is in memory once, not twice.
   */
  async open(session: Session): Promise<void> {
    if (session.isOpen) return
    const release = (): void => {
      for (const mapping of this.mappings.values()) mapping.release()
    }
    const timer = setInterval(release, RELEASE_MS)
    try {
      await session.open()
    } finally {
      clearInterval(timer)
      release()
    }
  }

  /** Reading a mapping that is gone would end the process. */
  private checkAlive(): void {
    if (this.disposed) throw new DisposedError(`model ${basename(resolve(this.model.directory.dir))}`)
  }

  private entry(name: string): TensorEntry {
    const entry = this.model.directory.tensors.get(name)
    if (!entry) throw new InputError(`${this.model.directory.dir}: tensor "${name}" is missing`)
    return entry
  }

  private value(name: string, shape: readonly number[]): Value {
    this.checkAlive()
    const known = this.values.get(name)
    if (known) return known
    const entry = this.entry(name)
    const bytes = entry.dtype === 'U8'
    let data: Uint8Array | Float32Array = bytes ? this.bytesOf(entry) : this.floatsOf(entry)
    if (this.reordered.has(name)) data = reorderRows(data, this.rowOrder)
    const value = bytes ? Value.of('u8', shape, data as Uint8Array) : Value.of('f32', shape, data as Float32Array)
    this.values.set(name, value)
    return value
  }

  private floatsOf(entry: TensorEntry): Float32Array {
    const mapped =
      entry.dtype === 'F32' && entry.offset % 4 === 0 && !entry.strides && !entry.parts ? this.mapping(entry.file) : undefined
    const values = mapped ? new Float32Array(mapped.part(entry.offset, entry.byteLength)) : offHeap(readTensor(entry))
    const notice = nanNotice(entry, values)
    if (notice !== undefined) this.onNotice(notice)
    return values
  }

  private bytesOf(entry: TensorEntry): Uint8Array {
    const mapped = this.mapping(entry.file)
    return mapped ? new Uint8Array(mapped.part(entry.offset, entry.byteLength)) : readRaw(entry)
  }

  private mapping(file: string): MappedFile | undefined {
    if (!canMapFiles()) return undefined
    const known = this.mappings.get(file)
    if (known) return known
    const mapped = new MappedFile(file)
    this.mappings.set(file, mapped)
    return mapped
  }

  dispose(): void {
    this.disposed = true
    for (const value of this.values.values()) value.dispose()
    for (const mapping of this.mappings.values()) mapping.dispose()
    this.values.clear()
    this.mappings.clear()
  }
}

/** Small typed arrays may live on V8's moving heap: native code needs them outside. */
function offHeap(values: Float32Array): Float32Array {
  if (values.byteLength > 64) return values
  const out = allocate('f32', values.length)
  out.set(values)
  return out
}
