/**
 * The tensors that a configuration implies: names and shapes as in the checkpoints (SPEC 3), and what each of them is. Loading,
 * training, quantising and `inspect` go by this list; nothing reads a tensor's nature from its name.
 */
import { adapterOf, type ConfiguredAdapter } from './adapter/table.js'
import type { DecoderConfig, ModelConfig, VisionConfig } from './config.js'

/** The parts of a model that training stages freeze or train, and that `inspect` lists. */
export const modelParts = ['vision', 'projector', 'adapter', 'decoder'] as const
export type ModelPart = (typeof modelParts)[number]

/**
 * What a tensor does: weight of a linear layer; the two factors of a low-rank path; kernel of the patch embedding; norm weight; bias
 * (of a linear layer or a norm); token embedding table; position table; a learned row that stands among others (class token, query);
 * the rows between tiles; classifier that only training uses.
 */
export type ParameterRole =
  | 'linear'
  | 'low-rank-a'
  | 'low-rank-b'
  | 'convolution'
  | 'norm'
  | 'bias'
  | 'embedding'
  | 'position'
  | 'token'
  | 'tile-mark'
  | 'classifier'

/** One tensor of a model. */
export interface ParameterSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly part: ModelPart
  readonly role: ParameterRole
  /** Block of its part (vision tower, decoder with adapter) that it belongs to; absent before and behind the blocks. */
  readonly layer?: number
  /** Rows are those of queries, keys and values in one: grouped by KV head (SPEC 4), which the fused attention reads in another order. */
  readonly packed?: true
  /** Released checkpoints may lack it (post_layernorm). */
  readonly optional?: true
  /** Tensor of the same shape whose values it starts with. */
  readonly startsAs?: string
  /** Standard deviation of its fresh values, where it is not that of its role. */
  readonly deviation?: number
}

/** Prefix of the vision tower's tensors. */
export const visionPrefix = 'vit.vision_tower.vision_model'

/** The embedding table, [vocabulary, hidden]: looked up, not multiplied. */
export const embeddingTable = 'model.tok_embeddings.weight'

/** The rows that the 4KHD variant puts between tiles: behind a line, and between the whole image and its tiles. */
export const tileMarks = { separator: 'plora_glb_GN', newline: 'plora_sub_GN' } as const

/** A linear layer of a decoder block: x [..., inputs] -> [..., outputs]. */
export interface DecoderLinear {
  readonly name: string
  readonly layer: number
  readonly outputs: number
  readonly inputs: number
  readonly bias: boolean
  /** Its outputs are queries, keys and values in one. */
  readonly packed: boolean
}

/** The linear layers of one decoder block, in checkpoint order. */
export function decoderLinears(c: DecoderConfig, layer: number) {
  const { hiddenSize: h, intermediateSize: f, bias } = c
  const linear = (
    name: string,
    outputs: number,
    inputs: number,
    more: { bias?: boolean; packed?: true } = {},
  ): DecoderLinear => ({
    name: `model.layers.${layer}.${name}`,
    layer,
    outputs,
    inputs,
    bias: more.bias ?? false,
    packed: more.packed ?? false,
  })
  return {
    wqkv: linear('attention.wqkv', (c.heads + 2 * c.kvHeads) * c.headDim, h, { bias, packed: true }),
    wo: linear('attention.wo', h, h, { bias }),
    w1: linear('feed_forward.w1', f, h),
    w3: linear('feed_forward.w3', f, h),
    w2: linear('feed_forward.w2', h, f),
  }
}

/** A linear layer of a decoder block with what the adapter has for it. */
function adaptedLinear(linear: DecoderLinear, adapter: ConfiguredAdapter): ParameterSpec[] {
  const { name, layer, outputs, inputs, bias, packed } = linear
  const at = { part: 'decoder', layer, ...(packed ? { packed } : {}) } as const
  return [
    { ...at, name: `${name}.weight`, shape: [outputs, inputs], role: 'linear' },
    ...(bias ? [{ ...at, name: `${name}.bias`, shape: [outputs], role: 'bias' } as const] : []),
    ...adapter.parameters(linear),
  ]
}

function decoderParameters(c: DecoderConfig): ParameterSpec[] {
  const { hiddenSize: h, vocabularySize: v } = c
  const adapter = adapterOf(c.adapter)
  const specs: ParameterSpec[] = [{ name: embeddingTable, shape: [v, h], part: 'decoder', role: 'embedding' }]
  for (let layer = 0; layer < c.layers; layer++) {
    const norm = (name: string): ParameterSpec => ({
      name: `model.layers.${layer}.${name}.weight`,
      shape: [h],
      part: 'decoder',
      role: 'norm',
      layer,
    })
    const { wqkv, wo, w1, w3, w2 } = decoderLinears(c, layer)
    specs.push(norm('attention_norm'), ...[wqkv, wo].flatMap((linear) => adaptedLinear(linear, adapter)))
    specs.push(norm('ffn_norm'), ...[w1, w3, w2].flatMap((linear) => adaptedLinear(linear, adapter)))
  }
  return [
    ...specs,
    { name: 'model.norm.weight', shape: [h], part: 'decoder', role: 'norm' },
    { name: 'output.weight', shape: [v, h], part: 'decoder', role: 'linear' },
  ]
}

/** A norm with weight and bias. */
export function normParameters(name: string, width: number, at: { part: ModelPart; layer?: number }): ParameterSpec[] {
  return [
    { ...at, name: `${name}.weight`, shape: [width], role: 'norm' },
    { ...at, name: `${name}.bias`, shape: [width], role: 'bias' },
  ]
}

/** A linear layer with weight and bias. */
export function denseParameters(
  name: string,
  outputs: number,
  inputs: number,
  { deviation, ...at }: { part: ModelPart; layer?: number; deviation?: number },
): ParameterSpec[] {
  return [
    { ...at, name: `${name}.weight`, shape: [outputs, inputs], role: 'linear', ...(deviation ? { deviation } : {}) },
    { ...at, name: `${name}.bias`, shape: [outputs], role: 'bias' },
  ]
}

function visionParameters(c: VisionConfig): ParameterSpec[] {
  const { hiddenSize: h, intermediateSize: f } = c
  const p = visionPrefix
  const at = { part: 'vision' } as const
  const specs: ParameterSpec[] = [{ ...at, name: `${p}.embeddings.class_embedding`, shape: [h], role: 'token' }]
  if (c.stem) {
    let inputs = 3
    c.stem.forEach((stage, i) => {
      if (i > 0) specs.push(...normParameters(`${p}.embeddings.stem.${i}.norm`, inputs, at))
      specs.push(...denseParameters(`${p}.embeddings.stem.${i}.conv`, stage.channels, 9 * inputs, { ...at, deviation: 0.02 }))
      inputs = stage.channels
    })
  } else {
    const shape = [h, 3, c.patchSize, c.patchSize]
    specs.push({ ...at, name: `${p}.embeddings.patch_embedding.weight`, shape, role: 'convolution' })
  }
  specs.push({ ...at, name: `${p}.embeddings.position_embedding.weight`, shape: [c.tokens + 1, h], role: 'position' })
  specs.push(...normParameters(`${p}.pre_layrnorm`, h, at))
  for (let layer = 0; layer < c.layers; layer++) {
    const block = `${p}.encoder.layers.${layer}`
    const inBlock = { ...at, layer }
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      specs.push(...denseParameters(`${block}.self_attn.${part}`, h, h, inBlock))
    specs.push(...normParameters(`${block}.layer_norm1`, h, inBlock), ...normParameters(`${block}.layer_norm2`, h, inBlock))
    specs.push(...denseParameters(`${block}.mlp.fc1`, f, h, inBlock), ...denseParameters(`${block}.mlp.fc2`, h, f, inBlock))
  }
  return specs
}

/** Every tensor of the model, in checkpoint order. */
export function modelParameters(c: ModelConfig): ParameterSpec[] {
  const specs = decoderParameters(c.decoder)
  if (!c.vision) return specs
  const { hiddenSize: h } = c.decoder
  // Four neighbouring patches stand side by side in one row of a tiled image.
  const v = c.vision.hiddenSize * (c.vision.tiled ? 4 : 1)
  const at = { part: 'projector' } as const
  const marks: ParameterSpec[] = c.vision.tiled
    ? [
        { ...at, name: tileMarks.separator, shape: [1, 1, v], role: 'tile-mark' },
        { ...at, name: tileMarks.newline, shape: [1, 1, 1, v], role: 'tile-mark' },
      ]
    : []
  return [
    ...specs,
    ...marks,
    ...visionParameters(c.vision),
    ...denseParameters('vision_proj.0', h, v, at),
    // Rows of images start no larger than those of words, or nothing that the decoder adds to them would count.
    ...denseParameters('vision_proj.2', h, h, { ...at, deviation: 0.05 / Math.sqrt(h) }),
  ]
}

/** Number of a tensor's values. */
export function parameterCount({ shape }: Pick<ParameterSpec, 'shape'>): number {
  return shape.reduce((a, b) => a * b, 1)
}
