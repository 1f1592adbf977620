/** Values for the inputs of training graphs, from a batch and its targets. Tables and masks are made once and kept. */
import { allocate, Value } from '../engine/index.js'
import type { DecoderConfig, ModelConfig } from '../model/config.js'
import { causalMask } from '../model/decoder/attention.js'
import { rotaryTables } from '../model/decoder/rotary.js'
import { tileIndex } from '../model/vision/tile-merge.js'
import type { TrainingBatch } from './batch.js'
import type { Targets } from './objectives/objective.js'

/** Rows of the rotary tables: no training sample is longer. */
export function rotaryPositions(c: DecoderConfig): number {
  return Math.min(c.maxPositions, 4096)
}

/** `dispose` once, after the last session has run. */
export class Feeds {
  private readonly masks = new Map<number, Value<'f32'>>()
  private readonly tables: { cos: Value<'f32'>; sin: Value<'f32'>; first: Value<'i64'> }

  constructor(private readonly config: ModelConfig) {
    const positions = rotaryPositions(config.decoder)
    const { cos, sin } = rotaryTables(config.decoder, positions)
    const half = [positions, config.decoder.headDim / 2]
    this.tables = { cos: Value.of('f32', half, cos), sin: Value.of('f32', half, sin), first: Value.zeros('i64', [1]) }
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
    add('image_index', () => Value.of('i64', [batch.imagePositions.length, 2], imageIndex(batch)))
    add('tile_index', () => {
      const index = toInt64(tileIndex(batch.tiles?.grids ?? [], side / patchSize))
      return Value.of('i64', [index.length / 2, 2], index)
    })
    add('ids', () => Value.of('i64', [batch.rows, batch.length], toInt64(batch.ids)))
    for (const [name, value] of Object.entries(this.tables)) if (wanted.has(name)) inputs[name] = value
    if (wanted.has('mask')) inputs.mask = this.mask(batch.length)
    return { inputs, own }
  }

  private mask(tokens: number): Value<'f32'> {
    const known = this.masks.get(tokens)
    if (known) return known
    const group = this.config.decoder.heads / this.config.decoder.kvHeads
    const value = Value.of('f32', [group * tokens, tokens], causalMask(tokens, group))
    this.masks.set(tokens, value)
    return value
  }

  dispose(): void {
    for (const value of [...this.masks.values(), ...Object.values(this.tables)]) value.dispose()
  }
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

function toInt64(values: ArrayLike<number>): BigInt64Array {
  const out = allocate('i64', values.length)
  for (let i = 0; i < values.length; i++) out[i] = BigInt(values[i] as number)
  return out
}
