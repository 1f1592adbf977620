/**
 * What the peer of the image benchmark is told: the shape of the model (it draws its own weights, since ours are stored in blocks), and the
 * prompt with the picture's pixels. It gets pixels that are decoded and resized already, so its time begins later than ours.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeSafetensors } from '../src/checkpoint/safetensors.js'
import { InputError } from '../src/common/errors.js'
import { decodeImage } from '../src/image/decode.js'
import { preprocess } from '../src/image/preprocess.js'
import type { ModelConfig } from '../src/model/config.js'
import { modelParameters } from '../src/model/parameters.js'
import type { PromptPart } from '../src/text/prompt.js'

/** A configuration as a complete config.json: the released ones leave half of it to the reader. */
export function configJson({ decoder: d, vision: v, maxLength }: ModelConfig): Record<string, unknown> {
  const { adapter } = d
  if (adapter.type !== 'plora') throw new InputError(`adapter ${adapter.type}: the peer has PLoRA only`)
  return {
    vocab_size: d.vocabularySize,
    hidden_size: d.hiddenSize,
    intermediate_size: d.intermediateSize,
    num_hidden_layers: d.layers,
    num_attention_heads: d.heads,
    num_key_value_heads: d.kvHeads,
    rms_norm_eps: d.normEpsilon,
    rope_theta: d.ropeTheta,
    rope_scaling: d.ropeScaling,
    max_position_embeddings: d.maxPositions,
    bias: d.bias,
    pad_token_id: d.padId,
    plora_rank: adapter.others.rank,
    plora_alpha: adapter.others.rank * adapter.others.scale,
    plora_rank_wqkv: adapter.wqkv.rank,
    plora_alpha_wqkv: adapter.wqkv.rank * adapter.wqkv.scale,
    max_length: maxLength,
    ...(v
      ? {
          vision_config: {
            hidden_size: v.hiddenSize,
            intermediate_size: v.intermediateSize,
            num_hidden_layers: v.layers,
            num_attention_heads: v.heads,
            image_size: v.imageSize,
            patch_size: v.patchSize,
            layer_norm_eps: v.normEpsilon,
            stem: v.stem,
          },
        }
      : {}),
  }
}

/** A prompt's ids, `fill` in the place of the picture, and the positions of the picture. */
export function flatPrompt(parts: readonly PromptPart[], fill: number): { ids: Int32Array; image: Int32Array } {
  const ids: number[] = []
  const image: number[] = []
  for (const part of parts) {
    if (part.kind === 'text') ids.push(...part.ids)
    else for (let i = 0; i < part.tokens; i++) image.push(ids.push(fill) - 1)
  }
  return { ids: Int32Array.from(ids), image: Int32Array.from(image) }
}

/** Writes both into `dir` and gives their paths. */
export async function writeImageInputs(
  dir: string,
  config: ModelConfig,
  parts: readonly PromptPart[],
  picture: string,
): Promise<{ shape: string; inputs: string }> {
  const shape = join(dir, 'shape.json')
  const inputs = join(dir, 'image.safetensors')
  const tensors = Object.fromEntries(modelParameters(config).map((spec) => [spec.name, spec.shape]))
  writeFileSync(shape, JSON.stringify({ config: configJson(config), tensors }))
  const side = config.vision?.imageSize ?? 0
  const { ids, image } = flatPrompt(parts, config.decoder.padId)
  writeSafetensors(inputs, [
    { name: 'pixels', dtype: 'F32', shape: [1, 3, side, side], data: preprocess(await decodeImage(picture), side) },
    { name: 'ids', dtype: 'I32', shape: [ids.length], data: ids },
    { name: 'image', dtype: 'I32', shape: [image.length], data: image },
  ])
  return { shape, inputs }
}
