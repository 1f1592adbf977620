/**
 * The decoder as inference sessions over a KV cache: one graph for prompts with pictures and one without PLoRA for text and
 * decoding. Both stand on the same weights.
 */
import {
  allocate,
  cachedAttention,
  Graph,
  gatherRows,
  Session,
  type SessionOptions,
  type Tensor,
  Value,
  WeightPool,
} from '../engine/index.js'
import type { DecoderConfig } from './config.js'
import { decoder } from './decoder.js'
import type { KvCache } from './kv-cache.js'
import type { WeightStore } from './weight-store.js'

/** One pass: embeddings appended to a cache. */
export interface DecoderStep {
  /** [tokens, hidden]. */
  readonly embeddings: Float32Array
  readonly tokens: number
  /** Columns (0-based in this step) that are image tokens. */
  readonly imageColumns?: readonly number[]
  /** Columns whose logits are wanted. */
  readonly logitColumns: readonly number[]
  /** Whether all layers' hidden states are wanted (they cost a copy each). */
  readonly hidden?: boolean
}

/** What a pass gives. */
export interface DecoderOutput {
  /** [logitColumns, vocabulary]. */
  readonly logits: Float32Array
  /** With `hidden`: the input, each block's output but the last, and the normed end, each [tokens, hidden]. */
  readonly hidden: readonly Float32Array[]
}

interface Built {
  readonly session: Session
  readonly hidden: number
}

/** Sessions of one decoder; `dispose` before the weight store. */
export class DecoderSessions {
  private readonly built = new Map<string, Built>()
  private readonly pool = new WeightPool()
  private readonly one = { lastIndex: Value.zeros('i32', [1]), totalLength: Value.zeros('i32', [1]) }

  constructor(
    private readonly config: DecoderConfig,
    private readonly store: WeightStore,
    private readonly options: SessionOptions,
  ) {}

  /** Appends to the cache in place and returns logits. */
  async run(step: DecoderStep, cache: KvCache): Promise<DecoderOutput> {
    const { hiddenSize, vocabularySize } = this.config
    const { tokens } = step
    const columns = step.imageColumns ?? []
    const { session, hidden } = this.session(columns.length > 0, step.hidden ?? false)
    const total = cache.length + tokens
    cache.reserve(total)
    this.one.lastIndex.data[0] = total - 1
    this.one.totalLength.data[0] = total
    const made: Value[] = []
    const keep = <V extends Value>(v: V): V => {
      made.push(v)
      return v
    }
    const inputs: Record<string, Value> = {
      embeddings: keep(Value.of('f32', [1, tokens, hiddenSize], step.embeddings)),
      logit_index: keep(pairs(step.logitColumns)),
      last_index: this.one.lastIndex,
      total_length: this.one.totalLength,
      ...cache.tables(total),
    }
    if (columns.length > 0) inputs.image_index = keep(pairs(columns))
    const logits = keep(Value.zeros('f32', [step.logitColumns.length, vocabularySize]))
    const outputs: Record<string, Value> = { logits }
    const states = Array.from({ length: hidden }, () => keep(Value.zeros('f32', [1, tokens, hiddenSize])))
    states.forEach((value, i) => {
      outputs[`hidden.${i}`] = value
    })
    for (let layer = 0; layer < this.config.layers; layer++) {
      // The cache is updated in place: the same memory is bound as past and as present.
      inputs[`past_key.${layer}`] = outputs[`key.${layer}`] = cache.keys[layer] as Value
      inputs[`past_value.${layer}`] = outputs[`value.${layer}`] = cache.values[layer] as Value
    }
    try {
      await session.run({ inputs, outputs })
    } finally {
      for (const value of made) value.dispose()
    }
    cache.length = total
    return { logits: logits.data, hidden: states.map((v) => v.data as Float32Array) }
  }

  /** Compiles the graphs that requests use, so that the first request does not pay for it. */
  prepare(): void {
    this.session(true, false)
    this.session(false, false)
  }

  private session(image: boolean, hidden: boolean): Built {
    const key = `${image ? 'image' : 'text'}${hidden ? '+hidden' : ''}`
    const known = this.built.get(key)
    if (known) return known
    const g = new Graph(`decode-${key}`)
    const states = this.build(g, image)
    if (hidden) states.forEach((t, i) => void g.output(`hidden.${i}`, t))
    const session = new Session(g, this.store.valuesFor(g), this.options, this.pool)
    const built = { session, hidden: hidden ? states.length : 0 }
    this.built.set(key, built)
    return built
  }

  private build(g: Graph, image: boolean): Tensor[] {
    const c = this.config
    const w = this.store.weights()
    const embeddings = g.input('embeddings', 'f32', [1, 'tokens', c.hiddenSize])
    const index = image ? g.input('image_index', 'i64', ['image_rows', 2]) : undefined
    const shared = {
      lastIndex: g.input('last_index', 'i32', [1]),
      totalLength: g.input('total_length', 'i32', [1]),
      cos: g.input('cos', 'f32', ['positions', c.headDim / 2]),
      sin: g.input('sin', 'f32', ['positions', c.headDim / 2]),
      heads: c.heads,
      kvHeads: c.kvHeads,
    }
    const states: Tensor[] = []
    const past = [1, c.kvHeads, 'capacity', c.headDim]
    const hidden = decoder(
      g,
      w,
      c,
      embeddings,
      index,
      (_, qkv, layer) => {
        const { output, key, value } = cachedAttention(g, qkv, {
          ...shared,
          pastKey: g.input(`past_key.${layer}`, 'f32', past),
          pastValue: g.input(`past_value.${layer}`, 'f32', past),
        })
        g.output(`key.${layer}`, key)
        g.output(`value.${layer}`, value)
        return output
      },
      (_, state) => states.push(state),
    )
    const rows = gatherRows(g, hidden, g.input('logit_index', 'i64', ['logit_rows', 2]))
    g.output('logits', w.product(g, rows, 'output'))
    return states
  }

  dispose(): void {
    for (const { session } of this.built.values()) session.dispose()
    this.pool.dispose()
    this.one.lastIndex.dispose()
    this.one.totalLength.dispose()
  }
}

/** Columns of batch row 0 as [rows, 2] index pairs. */
function pairs(columns: readonly number[]): Value<'i64'> {
  const data = allocate('i64', columns.length * 2)
  columns.forEach((column, i) => {
    data[2 * i + 1] = BigInt(column)
  })
  return Value.of('i64', [columns.length, 2], data)
}
