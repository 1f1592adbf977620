/**
 * Calibration: Hessians H = X^T X of the inputs X that the decoder's linear layers read in a text. The text goes through half a layer after
 * the other, so that the float weights of one half are in memory at a time; the layers before are as they are, not quantised.
 */

import { InputError } from '../common/errors.js'
import { allocate, Graph, matmul, product, reshape, rmsNorm, Session, split, type Tensor, Value } from '../engine/index.js'
import { causalMask, sequenceAttention } from '../model/decoder/attention.js'
import { attentionHalf, feedForwardHalf } from '../model/decoder/decoder.js'
import { rotaryTables } from '../model/decoder/rotary.js'
import { embeddingTable, type ParameterSpec } from '../model/parameter-spec.js'
import { floatWeights, type Weights } from '../model/weights.js'
import { type FloatWeights, rowPieces } from './float-weights.js'
import { type Hessian, spanWidths } from './hessian.js'

/** Tokens of a window, which do not see other windows. */
export const CALIBRATION_WINDOW = 256
/** More of them change little and take longer. */
const MAX_WINDOWS = 32
/** Floats of a weight that are read at a time. */
const READ_FLOATS = 1 << 22
/** With fewer tokens than columns of a span, H would describe the sample, not the model's inputs. */
const MIN_WINDOWS = 4

/**
 * A text's ids in windows that each begin with `bosId`, spread over the whole text where it has more than are used.
 * @throws InputError where there are too few
 */
export function calibrationWindows(ids: readonly number[], bosId: number): number[][] {
  const width = CALIBRATION_WINDOW - 1
  const whole = Math.floor(ids.length / width)
  if (whole < MIN_WINDOWS) {
    throw new InputError(
      `the text to calibrate with has ${ids.length} tokens, expected at least ${MIN_WINDOWS * width}; ${MAX_WINDOWS * width} are used at most`,
    )
  }
  const count = Math.min(whole, MAX_WINDOWS)
  return Array.from({ length: count }, (_, i) => {
    const start = Math.floor((i * whole) / count) * width
    return [bosId, ...ids.slice(start, start + width)]
  })
}

/** Follows the text through the decoder as far as it is asked; layers are asked for in their order. */
export class Calibration {
  /** [windows, WINDOW, hidden]: what layer `layer` reads. */
  private readonly states: Float32Array
  private readonly windows: number
  private layer = 0
  /** Of the layer before `layer`, by the name of the weight. */
  private hessians: ReadonlyMap<string, Hessian> = new Map()

  /**
   * @param windows ids, CALIBRATION_WINDOW in each
   * @param signal ends it between windows
   */
  constructor(
    private readonly weights: FloatWeights,
    windows: readonly (readonly number[])[],
    private readonly signal?: AbortSignal,
  ) {
    const { hiddenSize } = weights.decoder
    this.windows = windows.length
    this.states = allocate('f32', windows.length * CALIBRATION_WINDOW * hiddenSize)
    const table = this.spec(embeddingTable)
    windows.flat().forEach((id, i) => {
      this.states.set(weights.rows(table, id, 1), i * hiddenSize)
    })
  }

  /** Hessian of a linear layer, by its weight; undefined for tensors that are none of the decoder's linear layers. */
  async of({ name, part, role, layer }: ParameterSpec): Promise<Hessian | undefined> {
    if (part !== 'decoder' || role !== 'linear') return undefined
    // The head stands behind all layers.
    const wanted = layer ?? this.weights.decoder.layers
    while (this.layer <= wanted) {
      // The float weights of the next layer need the room.
      this.hessians = new Map()
      this.hessians = this.layer < this.weights.decoder.layers ? await this.passLayer() : await this.passHead()
      this.layer++
    }
    const found = this.hessians.get(name)
    if (!found) throw new RangeError(`the calibration has passed ${name}; layers are asked for in their order`)
    return found
  }

  /** Half of the layer after the other, so that the float weights of one half are in memory at a time. */
  private async passLayer(): Promise<Map<string, Hessian>> {
    return new Map([...(await this.passAttention()), ...(await this.passFeedForward())])
  }

  private passFeedForward(): Promise<Map<string, Hessian>> {
    const g = new Graph(`calibrate-ffn-${this.layer}`)
    const reads = new Map<string, Tensor>()
    const w = recording(this.floats(this.layer), reads)
    return this.run(g, reads, feedForwardHalf(g, w, this.weights.decoder, this.input(g), this.layer, undefined), {})
  }

  private passAttention(): Promise<Map<string, Hessian>> {
    const c = this.weights.decoder
    const g = new Graph(`calibrate-attention-${this.layer}`)
    const half = [CALIBRATION_WINDOW, c.headDim / 2]
    const seen = [CALIBRATION_WINDOW, CALIBRATION_WINDOW]
    const attend = sequenceAttention(c, {
      cos: g.input('cos', 'f32', half),
      sin: g.input('sin', 'f32', half),
      positions: g.input('first', 'i64', [1]),
      masks: [g.input('mask', 'f32', seen)],
    })
    const reads = new Map<string, Tensor>()
    const w = recording(this.floats(this.layer), reads)
    const next = attentionHalf(g, w, c, this.input(g), this.layer, undefined, attend)
    const tables = rotaryTables(c, CALIBRATION_WINDOW)
    return this.run(g, reads, next, {
      cos: Value.of('f32', half, tables.cos),
      sin: Value.of('f32', half, tables.sin),
      first: Value.zeros('i64', [1]),
      mask: Value.of('f32', seen, causalMask(CALIBRATION_WINDOW)),
    })
  }

  private passHead(): Promise<Map<string, Hessian>> {
    const g = new Graph('calibrate-head')
    const norm = this.floats(undefined).tensor(g, 'model.norm.weight')
    const normed = rmsNorm(g, this.input(g), norm, this.weights.decoder.normEpsilon)
    return this.run(g, new Map([[HEAD, normed]]), normed, {})
  }

  private input(g: Graph): Tensor {
    return g.input('states', 'f32', [1, CALIBRATION_WINDOW, this.weights.decoder.hiddenSize])
  }

  /** Weights of a layer, or of none: given at each run, since packing them would need as much memory again. */
  private floats(layer: number | undefined): Weights {
    const specs = this.weights.specs.filter((s) => (s.part === 'decoder' || s.part === 'adapter') && s.layer === layer)
    return floatWeights(new Map(specs.map(({ name, shape }) => [name, shape])), () => true)
  }

  /** All windows through `g`: their states become `next`, and the Hessians of what was read are added up. */
  private async run(
    g: Graph,
    reads: ReadonlyMap<string, Tensor>,
    next: Tensor,
    tables: Readonly<Record<string, Value>>,
  ): Promise<Map<string, Hessian>> {
    const spans = new Map([...new Set(reads.values())].map((read) => [read, hessianOutputs(g, read)]))
    g.output('next', next)
    const inputs: Record<string, Value> = { ...tables }
    const sums: Record<string, Value<'f32'>> = {}
    const totals = new Map<Tensor, Float32Array[]>()
    for (const [read, widths] of spans) {
      totals.set(
        read,
        widths.map(({ name, width }) => {
          sums[name] = Value.zeros('f32', [1, width, width])
          return new Float32Array(width * width)
        }),
      )
    }
    const session = new Session(g)
    try {
      for (const name of session.inputNames) {
        if (name !== 'states' && !inputs[name]) inputs[name] = this.weight(name)
      }
      for (let window = 0; window < this.windows; window++) {
        await this.runWindow(session, window, inputs, sums)
        for (const [read, widths] of spans) {
          widths.forEach(({ name }, i) => {
            addTo(totals.get(read)?.[i] as Float32Array, sums[name]?.data as Float32Array)
          })
        }
      }
    } finally {
      session.dispose()
      for (const value of [...Object.values(inputs), ...Object.values(sums)]) value.dispose()
    }
    for (const [name, read] of reads) {
      if (totals.get(read)?.some((sums) => sums.some((x) => !Number.isFinite(x)))) {
        throw new InputError(
          `the calibration meets values that are no numbers in what ${name} reads; look for NaN in the weights`,
        )
      }
    }
    return new Map([...reads].map(([name, read]) => [name, totals.get(read) as Float32Array[]]))
  }

  private async runWindow(
    session: Session,
    window: number,
    inputs: Readonly<Record<string, Value>>,
    sums: Readonly<Record<string, Value>>,
  ): Promise<void> {
    this.signal?.throwIfAborted()
    const { hiddenSize } = this.weights.decoder
    const size = CALIBRATION_WINDOW * hiddenSize
    const shape = [1, CALIBRATION_WINDOW, hiddenSize]
    const states = this.states.subarray(window * size, (window + 1) * size)
    const now = Value.of('f32', shape, states)
    const next = Value.zeros('f32', shape)
    try {
      await session.run({ inputs: { ...inputs, states: now }, outputs: { ...sums, next } })
      states.set(next.data)
    } finally {
      now.dispose()
      next.dispose()
    }
  }

  private weight(name: string): Value {
    const spec = this.spec(name)
    const value = Value.zeros('f32', spec.shape)
    // Reading makes a copy as stored: of a piece, not of the whole.
    let at = 0
    for (const { values } of rowPieces(this.weights, spec, READ_FLOATS)) {
      value.data.set(values, at)
      at += values.length
    }
    return value
  }

  private spec(name: string): ParameterSpec {
    const spec = this.weights.specs.find((s) => s.name === name)
    if (!spec) throw new InputError(`tensor "${name}" is missing`)
    return spec
  }
}

/** The weight of the head. */
const HEAD = 'output.weight'

/** Weights that note what each linear layer reads, by the name of its weight. */
function recording(w: Weights, reads: Map<string, Tensor>): Weights {
  return {
    ...w,
    product: (g, x, name) => {
      reads.set(`${name}.weight`, x)
      return w.product(g, x, name)
    },
  }
}

/** Outputs of X^T X over all rows, span by span. */
function hessianOutputs(g: Graph, x: Tensor): { readonly name: string; readonly width: number }[] {
  const columns = x.shape.at(-1) as number
  const widths = spanWidths(columns)
  const rows = reshape(g, x, [1, product(...x.shape.slice(0, -1)), columns])
  return split(g, rows, 2, widths).map((span, i) => {
    const name = `hessian ${x.name} ${i}`
    g.output(name, matmul(g, span, span, { transA: true }))
    return { name, width: widths[i] as number }
  })
}

function addTo(total: Float32Array, part: Float32Array): void {
  for (let i = 0; i < total.length; i++) total[i] = (total[i] as number) + (part[i] as number)
}
