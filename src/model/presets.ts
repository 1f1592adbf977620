/** The configurations of the released checkpoints (SPEC 1 and 2), with what their code hard-codes written out. */

const decoder7b = {
  architectures: ['InternLMXComposer2ForCausalLM'],
  model_type: 'internlm2',
  vocab_size: 92544,
  hidden_size: 4096,
  intermediate_size: 14336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 1_000_000,
  rope_scaling: null,
  max_position_embeddings: 32768,
  bias: false,
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: 2,
  pad_token_id: 2,
  max_length: 4096,
  plora_rank: 256,
  plora_alpha: 256,
}

const decoder1_8b = {
  ...decoder7b,
  hidden_size: 2048,
  intermediate_size: 8192,
  num_hidden_layers: 24,
  num_attention_heads: 16,
}

const clipLarge = (imageSize: number) => ({
  img_size: imageSize,
  vision_config: {
    hidden_size: 1024,
    intermediate_size: 4096,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    image_size: imageSize,
    patch_size: 14,
    layer_norm_eps: 1e-5,
    hidden_act: 'quick_gelu',
  },
})

/** config.json of each release, by its name on the hub. */
export const presets: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'internlm-xcomposer2-vl-7b': { ...decoder7b, ...clipLarge(490) },
  'internlm-xcomposer2-7b': { ...decoder7b, ...clipLarge(224) },
  'internlm-xcomposer2-vl-1_8b': { ...decoder1_8b, ...clipLarge(490) },
  'internlm-xcomposer2-4khd-7b': {
    ...decoder7b,
    ...clipLarge(336),
    hd: true,
    plora_rank_wqkv: 8,
    plora_alpha_wqkv: 16,
    max_length: 16384,
  },
}
