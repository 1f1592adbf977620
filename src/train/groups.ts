/** Learning-rate scale and weight decay of each tensor (SPEC 11.1): layer-wise decay in the vision tower, a factor for the decoder. */
import type { TensorRates } from '../engine/index.js'
import type { ModelConfig } from '../model/config.js'
import type { ModelPart, ParameterSpec } from '../model/parameter-spec.js'

/** What the recipe says about rates. */
export interface GroupOptions {
  readonly weightDecay: number
  /** 0.9 in the paper; 1 = off. */
  readonly visionLayerDecay: number
  /** Factor on the decoder's base weights, embeddings and head (0.2 in SFT). */
  readonly decoderFactor: number
  /** Factor on the whole vision tower, on top of its layer decay. */
  readonly visionFactor: number
  /** Factor on the projector. */
  readonly projectorFactor: number
}

/**
 * Whether a tensor learns: its part does, and where only the last `visionLayers` blocks of the tower do, it belongs to one of them (or
 * is a classifier on top of them).
 */
export function isTrainable(
  config: ModelConfig,
  { part, role, layer }: ParameterSpec,
  recipe: { readonly train: readonly ModelPart[]; readonly visionLayers?: number },
): boolean {
  if (!recipe.train.includes(part)) return false
  if (part !== 'vision' || role === 'classifier' || recipe.visionLayers === undefined) return true
  return layer !== undefined && layer >= (config.vision?.layers ?? 0) - recipe.visionLayers
}

/**
 * Rates by tensor name. Block i of L vision blocks gets decay^(L - i), everything before the blocks decay^(L + 1). Biases
 * and the vision tower's LayerNorm weights are not decayed; RMSNorm weights and embeddings are, as in the official trainer.
 */
export function tensorRates(config: ModelConfig, specs: readonly ParameterSpec[], o: GroupOptions): Map<string, TensorRates> {
  const layers = config.vision?.layers ?? 0
  const scales: Record<ModelPart, (layer: number | undefined) => number> = {
    vision: (layer) => o.visionFactor * o.visionLayerDecay ** (layer === undefined ? layers + 1 : layers - layer),
    projector: () => o.projectorFactor,
    adapter: () => 1,
    decoder: () => o.decoderFactor,
  }
  return new Map(
    specs.map(({ name, part, role, layer }) => {
      const undecayed = role === 'bias' || (role === 'norm' && part !== 'decoder')
      return [name, { lrScale: scales[part](layer), weightDecay: undecayed ? 0 : o.weightDecay }]
    }),
  )
}
