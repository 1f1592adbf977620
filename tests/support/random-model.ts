/** Small models with random weights for tests, written as ordinary model directories. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeSafetensors } from '../../src/checkpoint/safetensors.js'
import { parseModelConfig } from '../../src/model/config.js'
import { initialValues } from '../../src/model/initial-values.js'
import { modelParameters } from '../../src/model/parameters.js'

/** A configuration with everything small: grouped heads, a convolutional stem, PLoRA. */
export const smallConfig = {
  architectures: ['InternLMXComposer2ForCausalLM'],
  vocab_size: 200,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  rope_theta: 10000,
  max_position_embeddings: 1024,
  max_length: 1024,
  plora_rank: 8,
  plora_alpha: 8,
  img_size: 16,
  vision_config: {
    hidden_size: 32,
    intermediate_size: 48,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    patch_size: 4,
    stem: [
      { channels: 16, stride: 2 },
      { channels: 32, stride: 2 },
      { channels: 32, stride: 1 },
    ],
  },
}

/** Writes a model with values from the seed; tensors that `change` names get values from another seed. */
export function writeRandomModel(config: object = smallConfig, seed = 1, change: RegExp = /^$/): string {
  const dir = mkdtempSync(join(tmpdir(), 'xcomposer-model-'))
  mkdirSync(dir, { recursive: true })
  const specs = modelParameters(parseModelConfig(config, 'config.json'))
  const tensors = specs.map((s) => {
    const data = initialValues(s, change.test(s.name) ? seed + 1000 : seed, 'literal').map((v) =>
      s.part === 'decoder' ? v * 5 : v,
    )
    return { name: s.name, dtype: 'F32' as const, shape: s.shape, data }
  })
  writeSafetensors(join(dir, 'model.safetensors'), tensors)
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config))
  return dir
}
