import { describe, expect, it } from 'vitest'
import { parseModelConfig } from './config.js'
import { adapterCost, arithmeticUse, countParameters, inspect, memoryUse } from './inspect.js'
import { parameterCount } from './parameter-spec.js'
import { modelParameters } from './parameters.js'

/** The released 7B chat model (SPEC section 2). */
const released = parseModelConfig(
  {
    vocab_size: 92544,
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    plora_rank: 256,
    img_size: 490,
    vision_config: {},
  },
  'released',
)

const tiny = (more: object = {}) =>
  parseModelConfig(
    {
      vocab_size: 10,
      hidden_size: 8,
      intermediate_size: 12,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      plora_rank: 2,
      max_length: 100,
      ...more,
    },
    'tiny',
  )

describe('the released 7B model', () => {
  it('has the parameters that the specification gives: 8.67e9, PLoRA 0.6e9, vision 0.3e9, projector 0.021e9', () => {
    const { total, parts, adapterShare } = countParameters(released)
    expect(total / 8.67e9).toBeCloseTo(1, 2)
    expect(parts.adapter / 1e9).toBeCloseTo(0.6, 1)
    expect(parts.vision / 1e9).toBeCloseTo(0.3, 1)
    expect(parts.projector / 1e9).toBeCloseTo(0.021, 3)
    expect(adapterShare).toBeCloseTo(parts.adapter / total, 12)
  })

  it('needs about 19 TFLOP for a picture in the decoder, 0.75 in the vision tower, PLoRA about 8 %', () => {
    const { imagePrefill, vision } = arithmeticUse(released)
    expect(imagePrefill / 19e12).toBeGreaterThan(0.9)
    expect(imagePrefill / 19e12).toBeLessThan(1.1)
    expect(vision / 0.75e12).toBeGreaterThan(0.9)
    expect(vision / 0.75e12).toBeLessThan(1.2)
    expect(adapterCost(released).extraFlops).toBeCloseTo(0.08, 1)
  })
})

describe('a small model, by hand', () => {
  // wqkv 8 -> 16, wo 8 -> 8, w1 and w3 8 -> 12, w2 12 -> 8
  const base = 2 * (8 * 16 + 8 * 8 + 3 * 8 * 12)
  const plora = 2 * 2 * (24 + 16 + 3 * 20)

  it('counts base and PLoRA weights', () => {
    expect(adapterCost(tiny())).toEqual({
      type: 'plora',
      parameters: plora,
      secondSet: base,
      saved: 1 - plora / base,
      extraFlops: plora / base,
    })
    expect(countParameters(tiny()).parts.adapter).toBe(plora)
  })

  it('keeps keys and values of the kv heads only', () => {
    // Heads of 4 stand in a cache of width 16.
    expect(memoryUse(tiny()).kvPerToken).toBe(2 * 2 * 1 * 16 * 4)
    expect(memoryUse(tiny()).kvFull).toBe(100 * 2 * 2 * 1 * 16 * 4)
  })

  it('multiplies each weight once for a token', () => {
    expect(arithmeticUse(tiny()).perToken).toBe(2 * (base + 8 * 10))
    expect(arithmeticUse(tiny())).toMatchObject({ vision: 0, projector: 0, imagePrefill: 0 })
  })

  it('without vision has no picture to count', () => {
    expect(inspect(tiny())).toMatchObject({ imageTokens: 0, maxLength: 100 })
  })
})

it('parts add up to the checkpoint, with a convolutional stem too', () => {
  const vision = {
    hidden_size: 8,
    intermediate_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    image_size: 16,
    patch_size: 4,
  }
  const stem = [
    { channels: 4, stride: 2 },
    { channels: 8, stride: 2 },
  ]
  const config = tiny({ vision_config: { ...vision, stem } })
  const all = modelParameters(config).reduce((n, spec) => n + parameterCount(spec), 0)
  expect(countParameters(config).total).toBe(all)
  // Convolutions 3 -> 4 on 8 x 8 and 4 -> 8 on 4 x 4; one block on 17 positions.
  const convolutions = 2 * 9 * (3 * 4 * 64 + 4 * 8 * 16)
  expect(arithmeticUse(config).vision).toBe(convolutions + 2 * 17 * (4 * 64 + 2 * 8 * 16) + 4 * 17 * 17 * 8)
})
