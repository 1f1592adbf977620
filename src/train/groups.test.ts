import { describe, expect, it } from 'vitest'
import { smallConfig } from '../../tests/support/random-model.js'
import { parseModelConfig } from '../model/config.js'
import { type ParameterSpec, visionPrefix } from '../model/parameter-spec.js'
import { modelParameters } from '../model/parameters.js'
import { isTrainable, tensorRates } from './groups.js'

const config = parseModelConfig({ ...smallConfig, vision_config: { ...smallConfig.vision_config, num_hidden_layers: 3 } }, 'c')
const specs = modelParameters(config)
const blockOf = (name: string) => new RegExp(`^${visionPrefix}\\.encoder\\.layers\\.(\\d)`).exec(name)?.[1]

describe('which tensors learn', () => {
  it('is by group, and by block where only the end of the tower does', () => {
    const two = specs.filter((s) => isTrainable(config, s, { train: ['vision', 'projector'], visionLayers: 2 }))
    expect(new Set(two.map((s) => s.part))).toEqual(new Set(['vision', 'projector']))
    expect(new Set(two.filter((s) => s.part === 'vision').map((s) => blockOf(s.name)))).toEqual(new Set(['1', '2']))
    const all = specs.filter((s) => isTrainable(config, s, { train: ['vision'] }))
    expect(all).toEqual(specs.filter((s) => s.part === 'vision'))
  })
  it('never leaves the classifiers of the warm-up out', () => {
    const head: ParameterSpec = { name: 'names_head.weight', shape: [3, 32], part: 'vision', role: 'classifier' }
    expect(isTrainable(config, head, { train: ['vision'], visionLayers: 1 })).toBe(true)
  })
})

describe('rates', () => {
  const rates = tensorRates(config, specs, {
    weightDecay: 0.1,
    visionLayerDecay: 0.5,
    decoderFactor: 0.2,
    visionFactor: 0.1,
    projectorFactor: 0.05,
  })
  it.each([
    ['model.layers.0.feed_forward.w1.weight', 0.2],
    ['model.layers.0.feed_forward.w1.Plora_A.weight', 1],
    ['vision_proj.0.weight', 0.05],
    [`${visionPrefix}.encoder.layers.2.mlp.fc1.weight`, 0.1 * 0.5],
    [`${visionPrefix}.encoder.layers.0.mlp.fc1.weight`, 0.1 * 0.5 ** 3],
    [`${visionPrefix}.embeddings.class_embedding`, 0.1 * 0.5 ** 4],
  ])('%s: %f of the learning rate', (name, scale) => {
    expect(rates.get(name)?.lrScale).toBeCloseTo(scale, 12)
  })
})
