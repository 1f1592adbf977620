/** The tensors that a configuration implies: names and shapes as in the checkpoints (SPEC 3), and what each of them is. */
import { adapterOf, type ConfiguredAdapter } from './adapter/table.js'
import type { DecoderConfig, ModelConfig, VisionConfig } from './config.js'
import { type DecoderLinear, decoderLinears } from './decoder/linears.js'
import { modelProjector } from './image-rows.js'
import { denseParameters, embeddingTable, normParameters, type ParameterSpec, tileMarks, visionPrefix } from './parameter-spec.js'

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
  specs.push({ ...at, name: `${p}.embeddings.position_embedding.weight`, shape: [c.patches + 1, h], role: 'position' })
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
  // Four neighbouring patches stand side by side in one row of a tiled image.
  const v = c.vision.hiddenSize * (c.vision.tiled ? 4 : 1)
  const at = { part: 'projector' } as const
  const marks: ParameterSpec[] = c.vision.tiled
    ? [
        { ...at, name: tileMarks.separator, shape: [1, 1, v], role: 'tile-mark' },
        { ...at, name: tileMarks.newline, shape: [1, 1, 1, v], role: 'tile-mark' },
      ]
    : []
  return [...specs, ...marks, ...visionParameters(c.vision), ...modelProjector(c, c.vision).parameters()]
}
