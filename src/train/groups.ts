/** Learning-rate scale and weight decay of each tensor (SPEC 11.1): layer-wise decay in the vision tower, a factor for the decoder. */
import type { TensorRates } from '../engine/index.js'
import type { ModelConfig } from '../model/config.js'
import { type ParameterGroup, type ParameterSpec, visionPrefix } from '../model/parameters.js'

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

const visionBlock = new RegExp(`^${visionPrefix}\\.encoder\\.layers\\.(\\d+)\\.`)

/**
 * Whether a tensor learns: its group does, and where only the last `visionLayers` blocks of the tower do, it belongs to one of them.
 */
export function isTrainable(
  config: ModelConfig,
  { name, group }: ParameterSpec,
  recipe: { readonly train: readonly ParameterGroup[]; readonly visionLayers?: number },
): boolean {
  if (!recipe.train.includes(group)) return false
  if (!name.startsWith(visionPrefix) || recipe.visionLayers === undefined) return true
  const block = visionBlock.exec(name)?.[1]
  return block !== undefined && Number(block) >= (config.vision?.layers ?? 0) - recipe.visionLayers
}

/**
 * Rates by tensor name. Block i of L vision blocks gets decay^(L - i), everything before the blocks decay^(L + 1). Biases
 * and the vision tower's LayerNorm weights are not decayed; RMSNorm weights and embeddings are, as in the official trainer.
 */
export function tensorRates(config: ModelConfig, specs: readonly ParameterSpec[], o: GroupOptions): Map<string, TensorRates> {
  const layers = config.vision?.layers ?? 0
  return new Map(
    specs.map(({ name, group }) => {
      const block = visionBlock.exec(name)?.[1]
      let lrScale = group === 'decoder' ? o.decoderFactor : group === 'projector' ? o.projectorFactor : 1
      if (group === 'vision')
        lrScale = o.visionFactor * o.visionLayerDecay ** (block === undefined ? layers + 1 : layers - Number(block))
      const norm = group === 'vision' && /norm\d?\.weight$|layrnorm\.weight$/.test(name)
      return [name, { lrScale, weightDecay: name.endsWith('.bias') || norm ? 0 : o.weightDecay }]
    }),
  )
}
