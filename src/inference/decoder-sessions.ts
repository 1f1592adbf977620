/**
 * The decoder as inference sessions over a KV cache: one graph for rows of images, which all pass the adapter, and one without it for
 * text and decoding (one for both, where the adapter does not tell them apart). Both stand on the same weights, and a prompt with images goes through them span by span.
 */
import type { AbortCheck } from '../common/abort.js'
import {
  cachedAttention,
  cacheWidth,
  Graph,
  gatherRows,
  mean,
  Session,
  type SessionOptions,
  type Tensor,
  Value,
  WeightPool,
} from '../engine/index.js'
import { adapterOf } from '../model/adapter/table.js'
import type { DecoderConfig } from '../model/config.js'
import { attentionWeights } from '../model/decoder/attention.js'
import { decoder } from '../model/decoder/decoder.js'
import type { KvCache } from './kv-cache.js'
import type { KvRows } from './kv-pool.js'
import type { PassQueue } from './passes.js'
import { pieceRows } from './pieces.js'
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
  /** Whether all layers' hidden states are wanted (they cost a copy each), or the last one alone. */
  readonly hidden?: boolean | 'last'
  /** Whether the weights of attention are wanted: each head's, or their mean. The rows are then all of an image or none of them. */
  readonly attention?: AttentionKind
  /** Positions that the cache makes room for at once, where more steps follow; by default those of this step. */
  readonly room?: number
  /** Present where the tokens are no sequence but alternatives. */
  readonly branches?: BranchStep
  /** Looked at before each pass; its reason is thrown. */
  readonly signal?: AbortCheck | undefined
  /** Most tokens of the next pass; asked before each. Default: no limit. */
  readonly mostRows?: () => number
}

export type AttentionKind = 'heads' | 'mean'

/** Tokens that are alternatives at the same position: each sees the start of the cache, its ancestors and itself. */
export interface BranchStep {
  /** Entries of the cache that all see. */
  readonly shared: number
  readonly position: number
  /** For each token its ancestors and itself, as entries of the cache behind the shared ones. */
  readonly paths: readonly (readonly number[])[]
}

/** What a pass gives. */
export interface DecoderOutput {
  /** [logitColumns, vocabulary]. */
  readonly logits: Float32Array
  /** With `hidden`: the input, each block's output but the last, and the normed end, each [tokens, hidden]; with 'last' the normed end. */
  readonly hidden: readonly Float32Array[]
  /** With `attention`: each layer's weights, [heads or 1, tokens, positions in the cache]; the sum of each row is 1. */
  readonly attention: readonly Float32Array[]
}

interface GraphKind {
  readonly image?: boolean
  readonly hidden?: boolean | 'last'
  readonly branches?: boolean
  readonly attention?: AttentionKind | undefined
}

interface Built {
  readonly session: Session
  readonly hidden: number
  readonly attention?: AttentionKind | undefined
}

/** From this many tokens on, a pass gives the memory of its intermediate results back. */
const RELEASE_ARENA_TOKENS = 128

/** Sessions of one decoder, whose passes take turns; `dispose` before the weight store, when no pass runs. */
export class DecoderSessions {
  private readonly built = new Map<string, Built>()
  private readonly pool = new WeightPool()

  constructor(
    private readonly config: DecoderConfig,
    private readonly store: WeightStore,
    private readonly options: SessionOptions,
    private readonly passes: PassQueue,
  ) {}

  /** Whether rows of images take another way through the decoder than rows of text. */
  private get imagesDiffer(): boolean {
    return adapterOf(this.config.adapter).rows === 'image'
  }

  /** Appends to the cache in place and returns logits. Rows of images and rows of text are passes of their own, with a turn each. */
  async run(step: DecoderStep, cache: KvCache): Promise<DecoderOutput> {
    const spans = modalitySpans(step.tokens, this.imagesDiffer ? (step.imageColumns ?? []) : [])
    if (step.attention && spans.length > 1)
      throw new RangeError('weights of attention are given for rows of an image or of text, not of both')
    const { hiddenSize, vocabularySize } = this.config
    const room = Math.max(step.room ?? 0, cache.length + step.tokens)
    const logits = new Float32Array(step.logitColumns.length * vocabularySize)
    const hidden: Float32Array[] = []
    for (const span of spans) {
      for (let start = span.start, end: number; start < span.end; start = end) {
        step.signal?.throwIfAborted()
        end = start + pieceRows(span.end - start, span.end - span.start, step.mostRows?.())
        if (start === 0 && end === step.tokens) return this.turn(step, span.image, cache)
        const wanted = [...step.logitColumns.entries()].filter(([, column]) => column >= start && column < end)
        const piece = {
          ...step,
          room,
          embeddings: step.embeddings.subarray(start * hiddenSize, end * hiddenSize),
          tokens: end - start,
          logitColumns: wanted.map(([, column]) => column - start),
        }
        const part = await this.turn(piece, span.image, cache)
        wanted.forEach(([place], i) => {
          logits.set(part.logits.subarray(i * vocabularySize, (i + 1) * vocabularySize), place * vocabularySize)
        })
        part.hidden.forEach((state, layer) => {
          hidden[layer] ??= new Float32Array(step.tokens * hiddenSize)
          hidden[layer].set(state, start * hiddenSize)
        })
      }
    }
    return { logits, hidden, attention: [] }
  }

  private turn(step: DecoderStep, image: boolean, cache: KvCache): Promise<DecoderOutput> {
    return this.passes.run(() => this.pass(step, cache, image))
  }

  /** One pass, in a turn that the caller has. @param image whether the rows are all of an image, or none of them */
  pass(step: DecoderStep, cache: KvCache, image = false): Promise<DecoderOutput> {
    return cache.lifetime.during(() => this.passSpan(step, image, cache))
  }

  private async passSpan(step: DecoderStep, image: boolean, cache: KvCache): Promise<DecoderOutput> {
    const { tokens, branches } = step
    const total = cache.length + tokens
    const positions = branches ? branches.position + 1 : total
    if (step.room !== undefined) cache.reserve(step.room)
    cache.reserve(total, positions)
    const inputs: Record<string, Value> = {
      embeddings: Value.of('f32', [1, tokens, this.config.hiddenSize], step.embeddings),
      logit_index: pairs(step.logitColumns.map((column) => [0, column])),
    }
    if (branches) Object.assign(inputs, branchInputs(branches, total))
    if (step.attention) Object.assign(inputs, attentionInputs(cache.length, tokens, cache.length + cache.room))
    const own = Object.values(inputs)
    Object.assign(inputs, cache.lengthsAt(total), cache.tables(positions))
    const { attention } = step
    const built = this.session({ image, hidden: step.hidden ?? false, branches: branches !== undefined, attention })
    const output = await this.execute(built, inputs, own, cache)
    cache.length = total
    return output
  }

  /**
   * Appends one text token to each of the rows that are meant, in a turn that the caller has: embeddings [sequences, hidden] ->
   * logits [sequences, vocabulary].
   */
  async passRows(embeddings: Float32Array, rows: KvRows, tables: { cos: Value; sin: Value }): Promise<Float32Array> {
    const { hiddenSize } = this.config
    const { lengths, places } = rows
    const all = Value.zeros('f32', [lengths.length, 1, hiddenSize])
    places.forEach((row, i) => void all.data.set(embeddings.subarray(i * hiddenSize, (i + 1) * hiddenSize), row * hiddenSize))
    const lastIndex = Value.zeros('i32', [lengths.length])
    lastIndex.data.set(lengths)
    const totalLength = Value.zeros('i32', [1])
    totalLength.data[0] = Math.max(...lengths) + 1
    const own = {
      embeddings: all,
      logit_index: pairs(places.map((row) => [row, 0])),
      last_index: lastIndex,
      total_length: totalLength,
    }
    const { logits } = await this.execute(this.session({}), { ...own, ...tables }, Object.values(own), rows)
    return logits
  }

  /** One run with the cache added to `inputs` and updated in place. Disposes `own`. */
  private async execute(
    { session, hidden, attention }: Built,
    inputs: Record<string, Value>,
    own: readonly Value[],
    cache: { readonly keys: readonly Value[]; readonly values: readonly Value[] },
  ): Promise<DecoderOutput> {
    const { keys, values } = cache
    const logits = Value.zeros('f32', [inputs.logit_index?.shape[0] ?? 0, this.config.vocabularySize])
    const states = Array.from({ length: hidden }, () => Value.zeros('f32', inputs.embeddings?.shape ?? []))
    const outputs: Record<string, Value> = { logits }
    states.forEach((value, i) => {
      outputs[`hidden.${i}`] = value
    })
    const weights: Value<'f32'>[] = []
    for (let layer = 0; layer < this.config.layers; layer++) {
      // The same memory is bound as past and as present.
      inputs[`past_key.${layer}`] = outputs[`key.${layer}`] = keys[layer] as Value
      inputs[`past_value.${layer}`] = outputs[`value.${layer}`] = values[layer] as Value
      if (!attention) continue
      const [tokens = 0, capacity = 0] = inputs.visible?.shape ?? []
      const value = Value.zeros('f32', [1, ...(attention === 'heads' ? [this.config.heads] : []), tokens, capacity])
      weights.push(value)
      outputs[`attention.${layer}`] = value
    }
    try {
      await this.store.open(session)
      await session.run({ inputs, outputs }, (inputs.embeddings?.shape[1] ?? 0) >= RELEASE_ARENA_TOKENS)
    } finally {
      for (const value of [...own, logits, ...states, ...weights]) value.dispose()
    }
    const total = (inputs.total_length as Value<'i32'>).data[0] as number
    return { logits: logits.data, hidden: states.map((v) => v.data), attention: weights.map((v) => filledColumns(v, total)) }
  }

  /** Compiles the graphs that requests use, so that the first request does not pay for it. */
  async prepare(images = true): Promise<void> {
    for (const kind of images && this.imagesDiffer ? [{ image: true }, {}] : [{}])
      await this.passes.run(() => this.store.open(this.session(kind).session))
  }

  private session(kind: GraphKind): Built {
    const hidden = kind.hidden === 'last' ? ['last'] : kind.hidden ? ['hidden'] : []
    const parts = (['image', 'branches', 'attention'] as const).filter((name) => kind[name])
    const key = ['decode', ...parts, ...hidden, ...(kind.attention ? [kind.attention] : [])].join('-')
    const known = this.built.get(key)
    if (known) return known
    const g = new Graph(key)
    const states = this.build(g, kind)
    if (kind.hidden) states.forEach((t, i) => void g.output(`hidden.${i}`, t))
    const session = new Session(g, this.store.valuesFor(g), this.options, this.pool)
    const built = { session, hidden: kind.hidden ? states.length : 0, attention: kind.attention }
    this.built.set(key, built)
    return built
  }

  private build(g: Graph, kind: GraphKind): Tensor[] {
    const c = this.config
    const w = this.store.weights()
    const embeddings = g.input('embeddings', 'f32', ['batch', 'tokens', c.hiddenSize])
    const width = cacheWidth(c.headDim)
    const shared = {
      lastIndex: g.input('last_index', 'i32', ['batch']),
      totalLength: g.input('total_length', 'i32', [1]),
      cos: g.input('cos', 'f32', ['positions', width / 2]),
      sin: g.input('sin', 'f32', ['positions', width / 2]),
      heads: c.heads,
      kvHeads: c.kvHeads,
      ...(kind.branches
        ? {
            branches: {
              positions: g.input('position_ids', 'i64', ['batch', 'tokens']),
              bias: g.input('bias', 'f32', [1, 1, 'tokens', 'total']),
            },
          }
        : {}),
    }
    const looked = kind.attention && {
      position: g.input('first_position', 'i64', [1]),
      visible: g.input('visible', 'f32', ['tokens', 'capacity']),
    }
    const image = kind.image ? ('all' as const) : undefined
    const states: Tensor[] = []
    const wanted = g.input('logit_index', 'i64', ['logit_rows', 2])
    const past = ['batch', c.kvHeads, 'capacity', width]
    const hidden = decoder(
      g,
      w,
      c,
      embeddings,
      image,
      (_, qkv, layer) => {
        const { output, key, value } = cachedAttention(g, qkv, {
          ...shared,
          pastKey: g.input(`past_key.${layer}`, 'f32', past),
          pastValue: g.input(`past_value.${layer}`, 'f32', past),
        })
        g.output(`key.${layer}`, key)
        g.output(`value.${layer}`, value)
        if (looked) {
          const weights = attentionWeights(g, c, qkv, { ...looked, key, cos: shared.cos, sin: shared.sin })
          g.output(`attention.${layer}`, kind.attention === 'mean' ? mean(g, weights, 1) : weights)
        }
        return output
      },
      kind.hidden ? { onHidden: (_, state) => states.push(state) } : { keep: { rows: wanted, image } },
    )
    if (kind.hidden === 'last') states.splice(0, states.length - 1)
    g.output('logits', w.product(g, kind.hidden ? gatherRows(g, hidden, wanted) : hidden, 'output'))
    return states
  }

  /** Drops the references to the cache of the last run: now, where the caller knows that no pass runs, or between two passes. */
  unbind(when: 'now' | 'soon'): void {
    const unbindAll = (): void => {
      for (const { session } of this.built.values()) session.unbind()
    }
    if (when === 'now' || this.passes.idle) unbindAll()
    // A closed queue has nothing left to unbind.
    else void this.passes.run(async () => unbindAll()).catch(() => {})
  }

  dispose(): void {
    for (const { session } of this.built.values()) session.dispose()
    this.pool.dispose()
  }
}

/** [batch row, column] pairs, [pairs, 2]. */
function pairs(index: readonly (readonly [number, number])[]): Value<'i64'> {
  const value = Value.zeros('i64', [index.length, 2])
  index.forEach(([row, column], i) => {
    value.data[2 * i] = BigInt(row)
    value.data[2 * i + 1] = BigInt(column)
  })
  return value
}

/** Every token at one position, and what each may look at among `total` entries of the cache. */
function branchInputs({ shared, position, paths }: BranchStep, total: number): Record<string, Value> {
  const positions = Value.zeros('i64', [1, paths.length])
  positions.data.fill(BigInt(position))
  const bias = Value.zeros('f32', [1, 1, paths.length, total])
  paths.forEach((path, row) => {
    bias.data.fill(-1e30, row * total + shared, (row + 1) * total)
    for (const slot of path) bias.data[row * total + slot] = 0
  })
  return { position_ids: positions, bias }
}

/** What weights of attention depend on: where the first token stands, and which of `capacity` entries each may look at. */
function attentionInputs(before: number, tokens: number, capacity: number): Record<string, Value> {
  const position = Value.zeros('i64', [1])
  position.data[0] = BigInt(before)
  const visible = Value.zeros('f32', [tokens, capacity])
  for (let row = 0; row < tokens; row++) visible.data.fill(-1e30, row * capacity + before + row + 1, (row + 1) * capacity)
  return { first_position: position, visible }
}

/** The first columns of [..., rows, capacity]. */
function filledColumns({ data, shape }: Value<'f32'>, columns: number): Float32Array {
  const capacity = shape.at(-1) ?? 0
  const rows = data.length / capacity
  const out = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) out.set(data.subarray(row * capacity, row * capacity + columns), row * columns)
  return out
}

/** Longest runs of columns that are all image tokens, or all none. */
function modalitySpans(tokens: number, imageColumns: readonly number[]): { start: number; end: number; image: boolean }[] {
  const image = new Set(imageColumns)
  const found: { start: number; end: number; image: boolean }[] = []
  for (let column = 0; column < tokens; column++) {
    const last = found.at(-1)
    if (last && last.image === image.has(column)) last.end = column + 1
    else found.push({ start: column, end: column + 1, image: image.has(column) })
  }
  return found
}
