/** Values for the inputs of training graphs, from a batch and its targets. Tables and masks are made once and kept. */
import { allocate, Value } from '../engine/index.js'
import type { DecoderConfig, ModelConfig } from '../model/config.js'
import { branchPositions, causalMask, separateBranches } from '../model/decoder/attention.js'
import { rotaryTables } from '../model/decoder/rotary.js'
import { tileIndex } from '../model/vision/tile-merge.js'
import type { TrainingBatch } from './batch.js'
import type { Targets, Term } from './objectives/objective.js'

/** Blocks of queries that attention is computed in; a batch's length is a multiple. */
export const MASKS = 4

/** Rows of the rotary tables: no training sample is longer. */
export function rotaryPositions(c: DecoderConfig): number {
  return Math.min(c.maxPositions, 4096)
}

/** `dispose` once, after the last session has run. */
export class Feeds {
  private readonly masks = new Map<string, Float32Array>()
  private readonly tables: { cos: Value<'f32'>; sin: Value<'f32'> }

  constructor(private readonly config: ModelConfig) {
    const positions = rotaryPositions(config.decoder)
    const { cos, sin } = rotaryTables(config.decoder, positions)
    const half = [positions, config.decoder.headDim / 2]
    this.tables = { cos: Value.of('f32', half, cos), sin: Value.of('f32', half, sin) }
  }

  /**
   * The inputs of a batch that a graph asks for by name.
   * @returns them, and those of them that the caller disposes after the run
   */
  of(batch: TrainingBatch, targets: Targets | undefined, wanted: ReadonlySet<string>) {
    const own: Value[] = []
    const inputs: Record<string, Value> = {}
    const add = (name: string, make: () => Value): void => {
      if (!wanted.has(name)) return
      const value = make()
      own.push(value)
      inputs[name] = value
    }
    for (const [name, term] of targets?.terms ?? []) {
      // Another term of the batch has targets: any row stands for this one's, with no weight.
      const none = { places: new Array<number>(term.rank).fill(0), ids: [0], weights: [0] }
      const { places, ids, weights = ids.map(() => 1) } = term.ids.length > 0 ? term : none
      add(`${name}_index`, () => Value.of('i64', [ids.length, term.rank], toInt64(places)))
      add(`${name}_ids`, () => Value.of('i64', [ids.length], toInt64(ids)))
      add(`${name}_weights`, () => Value.of('f32', [ids.length], Float32Array.from(weights)))
    }
    const { imageSize: side = 0, patchSize = 1 } = this.config.vision ?? {}
    add('pixels', () => Value.of('f32', [batch.pixels.length / (3 * side * side), 3, side, side], batch.pixels))
    add('kept_image_index', () => keptImages(batch, targets?.terms.get('target')))
    add('image_index', () => Value.of('i64', [batch.imagePositions.length, 2], imageIndex(batch)))
    add('tile_index', () => {
      const index = toInt64(tileIndex(batch.tiles?.grids ?? [], side / patchSize))
      return Value.of('i64', [index.length / 2, 2], index)
    })
    add('ids', () => Value.of('i64', [batch.rows, batch.length], toInt64(batch.ids)))
    for (const [name, value] of Object.entries(this.tables)) if (wanted.has(name)) inputs[name] = value
    add('positions', () => Value.of('i64', [batch.rows, batch.length], toInt64(positionsOf(batch))))
    for (let block = 0; block < MASKS; block++) add(`mask_${block}`, () => this.mask(batch, block))
    return { inputs, own }
  }

  /** [rows, 1, tokens / MASKS, (block + 1) tokens / MASKS]: the masks of a batch's rows for one block of queries. */
  private mask({ rows, length, branches }: TrainingBatch, block: number): Value<'f32'> {
    const own = length / MASKS
    if (!Number.isInteger(own)) throw new RangeError(`a batch of ${length} columns: expected a multiple of ${MASKS}`)
    const [first, seen] = [block * own, (block + 1) * own]
    const key = `${length} ${block}`
    const causal = this.masks.get(key) ?? causalMask(seen, first)
    this.masks.set(key, causal)
    const masks = allocate('f32', rows * causal.length)
    for (let row = 0; row < rows; row++) {
      masks.set(causal, row * causal.length)
      const part = masks.subarray(row * causal.length, (row + 1) * causal.length)
      if (branches) separateBranches(part, branches.subarray(row * length, (row + 1) * length), seen, first)
    }
    return Value.of('f32', [rows, 1, own, seen], masks)
  }

  dispose(): void {
    for (const value of Object.values(this.tables)) value.dispose()
  }
}

/** [rows, length]. */
function positionsOf({ rows, length, branches }: TrainingBatch): Int32Array {
  const out = new Int32Array(rows * length)
  for (let row = 0; row < rows; row++) {
    const own = branches?.subarray(row * length, (row + 1) * length) ?? new Int32Array(length)
    out.set(branchPositions(own), row * length)
  }
  return out
}

/** [row, column] of every image token. */
function imageIndex({ imagePositions, length }: TrainingBatch): BigInt64Array {
  const pairs = allocate('i64', imagePositions.length * 2)
  imagePositions.forEach((at, i) => {
    pairs[2 * i] = BigInt(Math.floor(at / length))
    pairs[2 * i + 1] = BigInt(at % length)
  })
  return pairs
}

/** [rows, 1]: which of a term's places are image tokens. */
function keptImages({ imagePositions, length }: TrainingBatch, { places = [], rank = 2 }: Partial<Term> = {}): Value<'i64'> {
  const images = new Set(imagePositions)
  const kept: number[] = []
  for (let i = 0; i * rank < places.length; i++) {
    if (images.has((places[i * rank] as number) * length + (places[i * rank + 1] as number))) kept.push(i)
  }
  return Value.of('i64', [kept.length, 1], toInt64(kept))
}

function toInt64(values: ArrayLike<number>): BigInt64Array {
  const out = allocate('i64', values.length)
  for (let i = 0; i < values.length; i++) out[i] = BigInt(values[i] as number)
  return out
}
