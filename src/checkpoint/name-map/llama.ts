/**
 * LLaMA's names and settings (LlamaForCausalLM). Separate projections of queries, keys and values become the one `wqkv`, whose rows are
 * grouped by KV head: [kvHeads, group + 2, d], the group's queries first, then its key and its value (SPEC 4).
 */
import { z } from 'zod'
import { InputError } from '../../common/errors.js'
import { firstIssue } from '../../common/schema-issue.js'
import { composeRows, type TensorEntry } from '../tensors.js'
import type { NameMap, Tensors } from './name-map.js'

const size = z.number().int().min(1).max(1_000_000)
const scalingSchema = z.looseObject({
  type: z.string().optional(),
  rope_type: z.string().optional(),
  factor: z.number().min(1).optional(),
  rope_theta: z.number().positive().optional(),
})
const schema = z.looseObject({
  vocab_size: size.default(32000),
  hidden_size: size.default(4096),
  intermediate_size: size.default(11008),
  num_hidden_layers: z.number().int().min(1).max(1000).default(32),
  num_attention_heads: size.default(32),
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  hidden_act: z.string().default('silu'),
  max_position_embeddings: size.default(2048),
  max_length: size.optional(),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().optional(),
  rope_scaling: scalingSchema.nullish(),
  rope_parameters: scalingSchema.nullish(),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  pad_token_id: z.number().int().nullish(),
  tie_word_embeddings: z.boolean().default(false),
  prompt_bos: z.unknown().optional(),
  adapter: z.unknown().optional(),
})

/** Settings that are no family's own: what was added to such a decoder here. */
const OURS = ['quantization_config', 'vision_config', 'img_size', 'hd', 'projector'] as const

type Settings = z.infer<typeof schema>

function settings(json: unknown, file: string): Settings {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const { field, message } = firstIssue(parsed.error, json)
  throw new InputError(`${file}: field "${field}": ${message}`)
}

/** Scaling of rotary positions as our configuration has it. @throws InputError for kinds that are not reproduced */
function ropeScaling(c: Settings, file: string): { type: 'linear' | 'dynamic'; factor: number } | null {
  const scaling = c.rope_scaling ?? c.rope_parameters
  const kind = scaling?.rope_type ?? scaling?.type ?? 'default'
  if (!scaling || kind === 'default') return null
  if (kind !== 'linear' && kind !== 'dynamic')
    throw new InputError(`${file}: rope_scaling "${kind}" is not supported, expected "linear", "dynamic" or none`)
  if (scaling.factor === undefined) throw new InputError(`${file}: rope_scaling "${kind}": "factor" is missing`)
  return { type: kind, factor: scaling.factor }
}

const renamed: readonly (readonly [pattern: RegExp, ours: string])[] = [
  [/^model\.embed_tokens\.weight$/, 'model.tok_embeddings.weight'],
  [/^lm_head\.weight$/, 'output.weight'],
  [/^(model\.layers\.\d+)\.input_layernorm\.weight$/, '$1.attention_norm.weight'],
  [/^(model\.layers\.\d+)\.post_attention_layernorm\.weight$/, '$1.ffn_norm.weight'],
  [/^(model\.layers\.\d+)\.self_attn\.o_proj\.(weight|bias)$/, '$1.attention.wo.$2'],
  [/^(model\.layers\.\d+)\.mlp\.gate_proj\.weight$/, '$1.feed_forward.w1.weight'],
  [/^(model\.layers\.\d+)\.mlp\.up_proj\.weight$/, '$1.feed_forward.w3.weight'],
  [/^(model\.layers\.\d+)\.mlp\.down_proj\.weight$/, '$1.feed_forward.w2.weight'],
]
const SEPARATE = /^(model\.layers\.\d+)\.self_attn\.([qkv])_proj\.(weight|bias)$/

/** Rows of wqkv from those of q, k and v. */
function grouped(name: string, [q, k, v]: readonly [TensorEntry, TensorEntry, TensorEntry], c: Settings): TensorEntry {
  const heads = c.num_attention_heads
  const kvHeads = c.num_key_value_heads ?? heads
  const d = c.hidden_size / heads
  const row = q.shape.slice(1)
  for (const [entry, count] of [
    [q, heads],
    [k, kvHeads],
    [v, kvHeads],
  ] as const) {
    const expected = [count * d, ...row]
    if (entry.shape.join() !== expected.join())
      throw new InputError(
        `${entry.file}: tensor "${entry.name}": expected [${expected.join(', ')}] from config.json, got [${entry.shape.join(', ')}]; the two are not of one model`,
      )
  }
  const group = heads / kvHeads
  const parts = Array.from({ length: kvHeads }, (_, head) => [
    { entry: q, first: head * group * d, count: group * d },
    { entry: k, first: head * d, count: d },
    { entry: v, first: head * d, count: d },
  ])
  return composeRows(name, parts.flat())
}

export const llama: NameMap = {
  modelTypes: ['llama'],

  config(json, _, file) {
    const c = settings(json, file)
    const refuse = (text: string) => new InputError(`${file}: ${text}`)
    if (c.mlp_bias) throw refuse('mlp_bias true is not supported: the feed-forward layers of this network have no bias')
    if (c.head_dim && c.head_dim * c.num_attention_heads !== c.hidden_size)
      throw refuse(
        `head_dim ${c.head_dim} is not supported, expected hidden_size / num_attention_heads (${c.hidden_size} / ${c.num_attention_heads})`,
      )
    return {
      vocab_size: c.vocab_size,
      hidden_size: c.hidden_size,
      intermediate_size: c.intermediate_size,
      num_hidden_layers: c.num_hidden_layers,
      num_attention_heads: c.num_attention_heads,
      num_key_value_heads: c.num_key_value_heads ?? c.num_attention_heads,
      hidden_act: c.hidden_act,
      max_position_embeddings: c.max_position_embeddings,
      max_length: c.max_length ?? c.max_position_embeddings,
      rms_norm_eps: c.rms_norm_eps,
      rope_theta: c.rope_theta ?? c.rope_parameters?.rope_theta ?? 10_000,
      rope_scaling: ropeScaling(c, file),
      bias: c.attention_bias,
      ...(c.pad_token_id !== undefined && c.pad_token_id !== null && c.pad_token_id >= 0 ? { pad_token_id: c.pad_token_id } : {}),
      prompt_bos: c.prompt_bos ?? 'first',
      adapter: c.adapter ?? { type: 'none' },
      ...Object.fromEntries(OURS.flatMap((key) => (c[key] === undefined || c[key] === null ? [] : [[key, c[key]]]))),
    }
  },

  tensors(tensors, json, file) {
    const c = settings(json, file)
    const out = new Map<string, TensorEntry>()
    const separate = new Map<string, Map<string, TensorEntry>>()
    for (const [name, entry] of tensors) {
      const [, block, kind = '', what] = SEPARATE.exec(name) ?? []
      if (block) {
        const ours = `${block}.attention.wqkv.${what}`
        separate.set(ours, (separate.get(ours) ?? new Map<string, TensorEntry>()).set(kind, entry))
        continue
      }
      const [pattern, ours] = renamed.find(([known]) => known.test(name)) ?? []
      out.set(pattern && ours ? name.replace(pattern, ours) : name, entry)
    }
    for (const [name, kinds] of separate) {
      const of = (kind: string): TensorEntry => {
        const entry = kinds.get(kind)
        const missing = name.replace('attention.wqkv', `self_attn.${kind}_proj`)
        if (!entry) throw new InputError(`${file}: tensor "${missing}" is missing beside its fellows`)
        return entry
      }
      out.set(name, grouped(name, [of('q'), of('k'), of('v')], c))
    }
    return c.tie_word_embeddings ? withTiedOutput(out) : out
  },
}

/** The embedding table as the output layer, unless that is stored (models that were quantised here have both). */
function withTiedOutput(tensors: Map<string, TensorEntry>): Tensors {
  const table = tensors.get('model.tok_embeddings.weight')
  if (table && !tensors.has('output.weight') && !tensors.has('output.weight.blocks')) tensors.set('output.weight', table)
  return tensors
}
