/**
 * The tensors that a configuration implies: names and shapes as in the checkpoints (SPEC 3), and the group that each
 * belongs to. The loader checks against this list, training initialises from it, `inspect` adds it up.
 */
import type { DecoderConfig, ModelConfig, VisionConfig } from './config.js'

/** The parts that training stages freeze or train, and that `inspect` lists. */
export type ParameterGroup = 'vision' | 'projector' | 'plora' | 'decoder'

/** One tensor of a model. */
export interface ParameterSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly group: ParameterGroup
  /** Released checkpoints may lack it (post_layernorm). */
  readonly optional?: true
}

/** Prefix of the vision tower's tensors. */
export const visionPrefix = 'vit.vision_tower.vision_model'

/** The embedding table, [vocabulary, hidden]: looked up, not multiplied. */
export const embeddingTable = 'model.tok_embeddings.weight'

/** The rows that the 4KHD variant puts between tiles: behind a line, and between the whole image and its tiles. */
export const tileMarks = { separator: 'plora_glb_GN', newline: 'plora_sub_GN' } as const

function linearWithPlora(name: string, out: number, inputs: number, rank: number, bias: boolean): ParameterSpec[] {
  return [
    { name: `${name}.weight`, shape: [out, inputs], group: 'decoder' },
    ...(bias ? ([{ name: `${name}.bias`, shape: [out], group: 'decoder' }] as const) : []),
    { name: `${name}.Plora_A.weight`, shape: [rank, inputs], group: 'plora' },
    { name: `${name}.Plora_B.weight`, shape: [out, rank], group: 'plora' },
  ]
}

function decoderParameters(c: DecoderConfig): ParameterSpec[] {
  const { hiddenSize: h, intermediateSize: f, vocabularySize: v } = c
  const qkv = (c.heads + 2 * c.kvHeads) * c.headDim
  const { wqkv, others } = c.plora
  const specs: ParameterSpec[] = [{ name: embeddingTable, shape: [v, h], group: 'decoder' }]
  for (let i = 0; i < c.layers; i++) {
    const layer = `model.layers.${i}`
    specs.push(
      { name: `${layer}.attention_norm.weight`, shape: [h], group: 'decoder' },
      ...linearWithPlora(`${layer}.attention.wqkv`, qkv, h, wqkv.rank, c.bias),
      ...linearWithPlora(`${layer}.attention.wo`, h, h, others.rank, c.bias),
      { name: `${layer}.ffn_norm.weight`, shape: [h], group: 'decoder' },
      ...linearWithPlora(`${layer}.feed_forward.w1`, f, h, others.rank, false),
      ...linearWithPlora(`${layer}.feed_forward.w3`, f, h, others.rank, false),
      ...linearWithPlora(`${layer}.feed_forward.w2`, h, f, others.rank, false),
    )
  }
  return [
    ...specs,
    { name: 'model.norm.weight', shape: [h], group: 'decoder' },
    { name: 'output.weight', shape: [v, h], group: 'decoder' },
  ]
}

function visionParameters(c: VisionConfig): ParameterSpec[] {
  const { hiddenSize: h, intermediateSize: f } = c
  const p = visionPrefix
  const make = (name: string, ...shape: number[]): ParameterSpec => ({ name: `${p}.${name}`, shape, group: 'vision' })
  const norm = (name: string, n = h) => [make(`${name}.weight`, n), make(`${name}.bias`, n)]
  const dense = (name: string, out: number, inputs: number) => [make(`${name}.weight`, out, inputs), make(`${name}.bias`, out)]
  const specs = [make('embeddings.class_embedding', h)]
  if (c.stem) {
    let inputs = 3
    c.stem.forEach((layer, i) => {
      if (i > 0) specs.push(...norm(`embeddings.stem.${i}.norm`, inputs))
      specs.push(...dense(`embeddings.stem.${i}.conv`, layer.channels, 9 * inputs))
      inputs = layer.channels
    })
  } else {
    specs.push(make('embeddings.patch_embedding.weight', h, 3, c.patchSize, c.patchSize))
  }
  specs.push(make('embeddings.position_embedding.weight', c.tokens + 1, h), ...norm('pre_layrnorm'))
  for (let i = 0; i < c.layers; i++) {
    const layer = `encoder.layers.${i}`
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) specs.push(...dense(`${layer}.self_attn.${part}`, h, h))
    specs.push(...norm(`${layer}.layer_norm1`), ...norm(`${layer}.layer_norm2`))
    specs.push(...dense(`${layer}.mlp.fc1`, f, h), ...dense(`${layer}.mlp.fc2`, h, f))
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
  const marks: ParameterSpec[] = c.vision.tiled
    ? [
        { name: tileMarks.separator, shape: [1, 1, v], group: 'projector' },
        { name: tileMarks.newline, shape: [1, 1, 1, v], group: 'projector' },
      ]
    : []
  const projector = (name: string, ...shape: number[]): ParameterSpec => ({
    name: `vision_proj.${name}`,
    shape,
    group: 'projector',
  })
  return [
    ...specs,
    ...marks,
    ...visionParameters(c.vision),
    projector('0.weight', h, v),
    projector('0.bias', h),
    projector('2.weight', h, h),
    projector('2.bias', h),
  ]
}
