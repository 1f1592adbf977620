/** goldens/decoder: hidden states, logits, cache, padding, rotary scaling, greedy and beam decoding (SPEC 4, 9). */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DecoderRuntime, type DecoderSequence } from '../inference/decoder-runtime.js'
import { RotaryState } from '../inference/kv-cache.js'
import { KvPool } from '../inference/kv-pool.js'
import { openModel } from '../model/open-checkpoint.js'
import type { CaseResult, GoldenCheck } from './check.js'
import { difference, type GoldenTensors, goldenTensors } from './compare.js'
import { continuation } from './generation.js'

/** One batch row: embeddings and which columns are image tokens. */
interface Row {
  readonly rows: Float32Array
  readonly tokens: number
  readonly image: readonly number[]
}

interface Pass {
  readonly logits: Float32Array
  readonly hidden: readonly Float32Array[]
}

interface GenerateCase {
  readonly case: number
  readonly kind: 'ids' | 'embeds'
  readonly input_ids?: number[]
  readonly eos_ids: number[]
  readonly greedy24: number[]
  readonly beam3_24: number[]
  readonly greedy_eos: number[]
  readonly beam3_eos: number[]
  readonly beam3_eos_score: number
  readonly beam3_eos_transformers433?: number[]
  readonly greedy_rep_penalty_1_3?: number[]
}

/** A whole row in one pass with everything recorded. */
async function fullPass(model: DecoderRuntime, row: Row, rotary?: RotaryState): Promise<Pass> {
  const sequence = model.sequence(undefined, rotary)
  try {
    const logitColumns = Array.from({ length: row.tokens }, (_, i) => i)
    return await model.sessions.run(
      { embeddings: row.rows, tokens: row.tokens, imageColumns: row.image, logitColumns, hidden: true },
      sequence.cache,
    )
  } finally {
    sequence.dispose()
  }
}

function rowOf(embeds: Float32Array, mask: Int32Array | undefined, shape: readonly number[], row: number): Row {
  const [, tokens, width] = shape as [number, number, number]
  const image = mask ? Array.from({ length: tokens }, (_, i) => i).filter((i) => mask[row * tokens + i]) : []
  const rows = new Float32Array(embeds.subarray(row * tokens * width, (row + 1) * tokens * width))
  return { rows, tokens, image }
}

class Checker {
  constructor(
    private readonly variant: string,
    private readonly model: DecoderRuntime,
    private readonly inputs: GoldenTensors,
    private readonly outputs: GoldenTensors,
  ) {}

  private compare(name: string, got: Float32Array, wanted: Float32Array): CaseResult {
    const d = difference(got, wanted)
    return { name: `${this.variant}: ${name}`, passed: d.ratio <= 1, largestError: d.largest }
  }

  /** Every row of a batch, hidden states and logits where the golden has them. */
  async *batch(name: string, rows: readonly Row[], rotary?: RotaryState): AsyncGenerator<CaseResult> {
    const passes: Pass[] = []
    for (const row of rows) passes.push(await fullPass(this.model, row, rotary))
    const layers = this.model.config.decoder.layers
    for (let i = 0; i <= layers; i++) {
      const key = `${name}.hidden_states.${i}`
      if (this.outputs.has(key))
        yield this.compare(key, joined(passes.map((p) => p.hidden[i] as Float32Array)), this.outputs.floats(key))
    }
    yield this.compare(`${name}.logits`, joined(passes.map((p) => p.logits)), this.outputs.floats(`${name}.logits`))
  }

  ids(name: string): Row[] {
    const [batch, tokens] = this.inputs.shape(name) as [number, number]
    const ids = this.inputs.integers(name)
    return Array.from({ length: batch }, (_, r) => ({
      rows: this.model.store.embed(ids.subarray(r * tokens, (r + 1) * tokens)),
      tokens,
      image: [],
    }))
  }

  embeds(name: string, mask?: string): Row[] {
    const shape = this.inputs.shape(name)
    const m = mask ? this.inputs.integers(mask) : undefined
    return Array.from({ length: shape[0] as number }, (_, r) => rowOf(this.inputs.floats(name), m, shape, r))
  }

  /** Padding is dropped, not computed: only rows with attention count, and they must equal the unpadded sequence. */
  async padded(name: 'leftpad' | 'rightpad'): Promise<CaseResult> {
    const attention = this.inputs.integers(`${name}.attention_mask`)
    const wanted = this.outputs.floats(`${name}.logits`)
    const vocabulary = this.model.config.decoder.vocabularySize
    const width = this.model.config.decoder.hiddenSize
    const got: Float32Array[] = []
    const expected: Float32Array[] = []
    for (const [r, row] of this.embeds('masked.inputs_embeds', `${name}.im_mask`).entries()) {
      const columns = Array.from({ length: row.tokens }, (_, i) => i).filter((i) => attention[r * row.tokens + i])
      const kept: Row = {
        rows: joined(columns.map((i) => row.rows.subarray(i * width, (i + 1) * width))),
        tokens: columns.length,
        image: [...columns.keys()].filter((k) => row.image.includes(columns[k] as number)),
      }
      got.push((await fullPass(this.model, kept)).logits)
      for (const i of columns)
        expected.push(wanted.subarray((r * row.tokens + i) * vocabulary, (r * row.tokens + i + 1) * vocabulary))
    }
    return this.compare(`${name}.logits`, joined(got), joined(expected))
  }

  /**
   * The reference's batch of left-padded prompts as a batch of rows without padding: everything up to the last text columns is each
   * row's prompt, the rest is decoded together.
   */
  async paddedTogether(): Promise<CaseResult> {
    const attention = this.inputs.integers('leftpad.attention_mask')
    const wanted = this.outputs.floats('leftpad.logits')
    const { vocabularySize, hiddenSize } = this.model.config.decoder
    const rows = this.embeds('masked.inputs_embeds', 'leftpad.im_mask')
    const tokens = rows[0]?.tokens ?? 0
    const first = Math.max(...rows.flatMap(({ image }) => image)) + 1
    const { passes, sessions, rotary, config } = this.model
    const pool = new KvPool(config.decoder, config.maxLength, (when) => sessions.unbind(when))
    const sequences: DecoderSequence[] = []
    const got: Float32Array[] = []
    const expected: Float32Array[] = []
    try {
      for (const [r, row] of rows.entries()) {
        const start = attention.indexOf(1, r * tokens) - r * tokens
        const sequence = this.model.sequence()
        sequences.push(sequence)
        pool.enter(sequence.cache)
        const image = row.image.filter((i) => i >= start).map((i) => i - start)
        await sequence.appendRows(row.rows.subarray(start * hiddenSize, first * hiddenSize), first - start, image)
      }
      for (let column = first; column < tokens; column++) {
        const embeddings = joined(rows.map((row) => row.rows.subarray(column * hiddenSize, (column + 1) * hiddenSize)))
        const together = pool.together(sequences.map(({ cache }) => cache))
        const tables = rotary.tables(together.capacity, Math.max(...together.lengths) + 1)
        got.push(await passes.run(() => sessions.passRows(embeddings, together, tables)))
        for (const { cache } of sequences) cache.length++
        for (const r of rows.keys()) {
          const at = r * tokens + column
          expected.push(wanted.subarray(at * vocabularySize, (at + 1) * vocabularySize))
        }
      }
    } finally {
      for (const sequence of sequences) sequence.dispose()
    }
    return this.compare('leftpad, decoded together', joined(got), joined(expected))
  }

  /** A prompt, then single ids: logits of each step, and layer 0 of the cache at the end. */
  async *cached(name: string, prompt: Row, next: Int32Array): AsyncGenerator<CaseResult> {
    const sequence = this.model.sequence()
    try {
      const steps = [await sequence.appendRows(prompt.rows, prompt.tokens, prompt.image)]
      for (const id of next) steps.push(await sequence.append([id]))
      yield this.compare(`${name}.step_logits`, joined(steps), this.outputs.floats(`${name}.step_logits`))
      if (!this.outputs.has(`${name}.key.0`)) return
      yield this.compare(`${name}.key.0`, sequence.cache.filled('keys', 0), this.outputs.floats(`${name}.key.0`))
      yield this.compare(`${name}.value.0`, sequence.cache.filled('values', 0), this.outputs.floats(`${name}.value.0`))
    } finally {
      sequence.dispose()
    }
  }

  async *all(): AsyncGenerator<CaseResult> {
    yield* this.batch('text', this.ids('text.input_ids'))
    yield* this.batch('masked', this.embeds('masked.inputs_embeds', 'masked.im_mask'))
    yield* this.batch('unmasked', this.embeds('masked.inputs_embeds'))
    yield await this.padded('leftpad')
    yield await this.padded('rightpad')
    yield await this.paddedTogether()
    const prompt = this.embeds('cache.inputs_embeds', 'cache.im_mask')[0] as Row
    yield* this.cached('cache', prompt, this.inputs.integers('cache.next_ids'))
    if (!this.inputs.has('ntk48.input_ids')) return
    // The reference's tables stay stretched on the same module: this state is passed on to see it.
    const rotary = new RotaryState(this.model.config.decoder)
    yield* this.batch('ntk48', this.ids('ntk48.input_ids'), rotary)
    const long = this.inputs.integers('ntk48.input_ids')
    const short = this.outputs.shape('ntk_after_long.logits')[1] as number
    const after = { rows: this.model.store.embed(long.subarray(0, short)), tokens: short, image: [] }
    yield* this.batch('ntk_after_long', [after], rotary)
    rotary.dispose()
    const crossing = { rows: this.model.store.embed(long.subarray(0, 30)), tokens: 30, image: [] }
    yield* this.cached('ntk_cache30_38', crossing, long.subarray(30, 38))
  }
}

async function* generation(variant: string, model: DecoderRuntime, dir: string): AsyncGenerator<CaseResult> {
  const cases = JSON.parse(readFileSync(join(dir, 'generate.json'), 'utf8')) as GenerateCase[]
  const inputs = goldenTensors(join(dir, 'generate_inputs.safetensors'))
  for (const c of cases) {
    const prompt = (): Row => {
      if (c.input_ids) return { rows: model.store.embed(c.input_ids), tokens: c.input_ids.length, image: [] }
      const name = `case${c.case}`
      return rowOf(
        inputs.floats(`${name}.inputs_embeds`),
        inputs.integers(`${name}.im_mask`),
        inputs.shape(`${name}.inputs_embeds`),
        0,
      )
    }
    const start = async () => {
      const { rows, tokens, image } = prompt()
      const sequence = model.sequence()
      return { logits: await sequence.appendRows(rows, tokens, image), sequence }
    }
    const at = `${variant}: generate ${c.case}`
    const contextIds = c.input_ids ?? []
    yield await continuation(start, { name: `${at} greedy`, wanted: c.greedy24 })
    yield await continuation(start, { name: `${at} beam 3`, wanted: c.beam3_24, beams: 3 })
    yield await continuation(start, { name: `${at} greedy, stop ids`, wanted: c.greedy_eos, stopIds: c.eos_ids })
    yield await continuation(start, {
      name: `${at} beam 3, stop ids`,
      wanted: c.beam3_eos,
      beams: 3,
      stopIds: c.eos_ids,
      score: c.beam3_eos_score,
    })
    if (c.beam3_eos_transformers433) {
      const wanted = c.beam3_eos_transformers433
      yield await continuation(start, {
        name: `${at} beam 3, stop ids, 4.33 lengths`,
        wanted,
        beams: 3,
        stopIds: c.eos_ids,
        oldLengthRule: true,
      })
    }
    if (c.greedy_rep_penalty_1_3) {
      yield await continuation(start, {
        name: `${at} repetition penalty`,
        wanted: c.greedy_rep_penalty_1_3,
        repetitionPenalty: 1.3,
        contextIds,
      })
    }
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(new ArrayBuffer(parts.reduce((n, p) => n + p.length, 0) * 4))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Every variant folder with a checkpoint. */
export const check: GoldenCheck = {
  folder: 'decoder',
  async *run(dir) {
    for (const variant of readdirSync(dir).sort()) {
      const at = join(dir, variant)
      if (!existsSync(join(at, 'checkpoint'))) continue
      const model = new DecoderRuntime(openModel(join(at, 'checkpoint')), { threads: 1 })
      try {
        const inputs = goldenTensors(join(at, 'inputs.safetensors'))
        yield* new Checker(variant, model, inputs, goldenTensors(join(at, 'outputs.safetensors'))).all()
        yield* generation(variant, model, at)
      } finally {
        model.dispose()
      }
    }
  },
}
