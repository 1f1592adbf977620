/**
 * What a model costs, from its configuration alone: parameters by part, memory, arithmetic, and what the adapter's low rank saves
 * (SPEC sections 2, 3 and 14c). It reads no weights and measures nothing. One multiply-add counts as 2 FLOPs; norms, softmax and
 * activations, which are below 1 %, are not counted.
 */
import { cacheWidth } from '../engine/index.js'
import { tensorFormat } from '../quantize/quantize-model.js'
import { type AdapterType, adapterOf } from './adapter/table.js'
import type { ModelConfig, VisionConfig } from './config.js'
import { imageTokens, modelProjector } from './image-rows.js'
import { type ModelPart, type ParameterRole, parameterCount } from './parameter-spec.js'
import { modelParameters } from './parameters.js'
import type { ProjectorType } from './projector/table.js'

/** Numbers of parameters. */
export interface ParameterCount {
  readonly total: number
  readonly parts: Readonly<Record<ModelPart, number>>
  /** The adapter's share of all parameters, 0..1. */
  readonly adapterShare: number
}

/** The adapter beside a second full set of the five linear layers' weights for image tokens. */
export interface AdapterCost {
  readonly type: AdapterType
  readonly parameters: number
  readonly secondSet: number
  /** 1 - parameters / secondSet. */
  readonly saved: number
  /** How much more arithmetic an image position's linear layers need than without an adapter, as a fraction. */
  readonly extraFlops: number
}

/** Bytes. */
export interface MemoryUse {
  /** As computed with: 4 bytes a parameter, fewer for quantised linear weights. */
  readonly weights: number
  /** Weights in half precision. */
  readonly weightsHalf: number
  /** Keys and values of one position, float32. */
  readonly kvPerToken: number
  /** Keys and values of `maxLength` positions. */
  readonly kvFull: number
  /** The largest set of activations of one vision block for one image, float32. */
  readonly visionActivations: number
}

/** FLOPs of one forward pass. */
export interface ArithmeticUse {
  /** Vision tower, for one image. */
  readonly vision: number
  readonly projector: number
  /** Decoder over one image's positions, attention among themselves included, without the head. */
  readonly imagePrefill: number
  /** One new token: linear layers and head, no attention. */
  readonly perToken: number
  /** What attention adds to a token, for each position it looks back at. */
  readonly perTokenAndPosition: number
}

/** Everything `xcomposer inspect` shows. */
export interface Inspection {
  readonly parameters: ParameterCount
  readonly adapter: AdapterCost
  readonly projector: ProjectorType
  readonly memory: MemoryUse
  readonly flops: ArithmeticUse
  readonly imageTokens: number
  readonly maxLength: number
}

/** Adds everything up. */
export function inspect(config: ModelConfig): Inspection {
  return {
    parameters: countParameters(config),
    adapter: adapterCost(config),
    projector: config.projector.type,
    memory: memoryUse(config),
    flops: arithmeticUse(config),
    imageTokens: imageTokens(config),
    maxLength: config.maxLength,
  }
}

/** Parameters by part, as in a checkpoint of this configuration. */
export function countParameters(config: ModelConfig): ParameterCount {
  const parts: Record<ModelPart, number> = { vision: 0, projector: 0, adapter: 0, decoder: 0 }
  for (const spec of modelParameters(config)) parts[spec.part] += parameterCount(spec)
  const total = sum(Object.values(parts))
  return { total, parts, adapterShare: parts.adapter / total }
}

/** Weights that one decoder position is multiplied with, besides the head: of the base layers, and of low-rank paths beside them. */
function decoderWeights(config: ModelConfig): { base: number; lowRank: number } {
  const inLayers = modelParameters(config).filter((s) => s.layer !== undefined && s.shape.length === 2)
  const size = (part: ModelPart, roles: readonly ParameterRole[]) =>
    sum(inLayers.filter((s) => s.part === part && roles.includes(s.role)).map(parameterCount))
  return { base: size('decoder', ['linear']), lowRank: size('adapter', ['low-rank-a', 'low-rank-b']) }
}

/** What image positions cost with the adapter, and with weights of their own. */
export function adapterCost(config: ModelConfig): AdapterCost {
  const parameters = countParameters(config).parts.adapter
  const { base, lowRank } = decoderWeights(config)
  return {
    type: config.decoder.adapter.type,
    parameters,
    secondSet: base,
    saved: 1 - parameters / base,
    extraFlops: lowRank / base,
  }
}

/** Memory of weights, cache and vision. */
export function memoryUse(config: ModelConfig): MemoryUse {
  const { decoder: c, quantization } = config
  let weights = 0
  let total = 0
  for (const spec of modelParameters(config)) {
    const count = parameterCount(spec)
    const format = quantization ? tensorFormat(spec, quantization) : undefined
    // Blocks stay as they are, with one float32 scale each; everything else is computed with as float32.
    weights += count * (format ? format.bits / 8 + 4 / format.blockSize : 4)
    total += count
  }
  const kvPerToken = 2 * c.layers * c.kvHeads * cacheWidth(c.headDim) * 4
  return {
    weights,
    weightsHalf: total * 2,
    kvPerToken,
    kvFull: kvPerToken * config.maxLength,
    visionActivations: config.vision ? visionActivations(config.vision) : 0,
  }
}

/** The residual with queries, keys, values and scores, or with the wide layer of the MLP, whichever is larger. */
function visionActivations(v: VisionConfig): number {
  const n = v.patches + 1
  const attention = 3 * n * v.hiddenSize + v.heads * n * n
  const mlp = n * v.intermediateSize
  const tower = n * v.hiddenSize + Math.max(attention, mlp)
  const stem = v.stem ? Math.max(...stemLayers(v).map(({ outputs, positions }) => outputs * positions)) : 0
  return 4 * Math.max(tower, stem)
}

/** Arithmetic for an image and for a token. */
export function arithmeticUse(config: ModelConfig): ArithmeticUse {
  const { decoder: c, vision: v } = config
  const weights = decoderWeights(config)
  const imageLinear = 2 * (weights.base + weights.lowRank)
  const textLinear = adapterOf(c.adapter).rows === 'all' ? imageLinear : 2 * weights.base
  const perTokenAndPosition = 4 * c.layers * c.hiddenSize
  const n = imageTokens(config)
  return {
    vision: v ? visionFlops(v) : 0,
    projector: v ? 2 * projectorMultiplications(config, v) : 0,
    // Position i looks at i + 1 positions: n (n + 1) / 2 in all.
    imagePrefill: n * imageLinear + (perTokenAndPosition * n * (n + 1)) / 2,
    perToken: textLinear + 2 * c.vocabularySize * c.hiddenSize,
    perTokenAndPosition,
  }
}

/** Multiply-adds of the projector for one image; in tiled models for one tile beside the whole, whose merged rows it reads one by one. */
function projectorMultiplications(config: ModelConfig, v: VisionConfig): number {
  const { multiplications } = modelProjector(config, v)
  return v.tiled ? (multiplications * imageTokens(config)) / v.patches : multiplications
}

function visionFlops(v: VisionConfig): number {
  const n = v.patches + 1
  const { hiddenSize: h, intermediateSize: f } = v
  const block = 2 * n * (4 * h * h + 2 * h * f) + 4 * n * n * h
  const patches = v.stem
    ? sum(stemLayers(v).map(({ inputs, outputs, positions }) => 2 * 9 * inputs * outputs * positions))
    : 2 * v.patches * 3 * v.patchSize ** 2 * h
  return v.layers * block + patches
}

/** The stem's convolutions with the number of positions that each gives. */
function stemLayers(v: VisionConfig): { inputs: number; outputs: number; positions: number }[] {
  let inputs = 3
  let side = v.imageSize
  return (v.stem ?? []).map(({ channels, stride }) => {
    side /= stride
    const layer = { inputs, outputs: channels, positions: side * side }
    inputs = channels
    return layer
  })
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
