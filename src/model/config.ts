/**
 * The configuration of a model (SPEC 2): what config.json says, checked, under the names that the network uses.
 * Keys that are absent take the releases' values. `auto_map` and other code references are ignored.
 */
import { z } from 'zod'
import { InputError } from '../common/errors.js'
import { firstIssue } from '../common/schema-issue.js'
import { misspeltKey } from '../common/spelling.js'
import { type PloraRanks, releasedPlora, releasedPloraFields } from './adapter/plora.js'
import { type AdapterConfig, adapters, adapterTypes } from './adapter/table.js'
import { modelProjector } from './image-rows.js'
import { type ProjectorConfig, projectors, projectorTypes } from './projector/table.js'

/** InternLM2-style decoder. */
export interface DecoderConfig {
  readonly vocabularySize: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly normEpsilon: number
  readonly ropeTheta: number
  readonly ropeScaling: { readonly type: 'linear' | 'dynamic'; readonly factor: number } | null
  readonly maxPositions: number
  readonly bias: boolean
  readonly padId: number
  /** What its linear layers have for rows of images (or all rows) beside their base weights. */
  readonly adapter: AdapterConfig
}

/** One 3 x 3 convolution of a convolutional stem. */
export interface StemLayer {
  readonly channels: number
  readonly stride: number
}

/** CLIP vision tower; with a stem, convolutions take the place of the patch embedding. */
export interface VisionConfig {
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly layers: number
  readonly heads: number
  readonly imageSize: number
  readonly patchSize: number
  readonly normEpsilon: number
  readonly stem: readonly StemLayer[] | null
  /** Patches of one image or tile: (imageSize / patchSize)^2. How many image tokens these become is the projector's choice. */
  readonly patches: number
  /** 4KHD: images are cut into tiles of imageSize, and four patches become one image token. */
  readonly tiled: boolean
}

/** Tiles an image may be cut into where nobody says (SPEC 6): what the model was trained with. */
export const DEFAULT_TILES = 25

/** The whole model. */
export interface ModelConfig {
  readonly decoder: DecoderConfig
  readonly vision: VisionConfig | null
  /** From the vision tower's features to rows for the decoder. */
  readonly projector: ProjectorConfig
  /** Prompts are cut to this many positions. */
  readonly maxLength: number
  /** Where chat prompts put BOS: on every text part (the official models' chat), or on the first only (as training writes it). */
  readonly promptBos: 'reference' | 'first'
  /** How linear weights are stored: null = float, otherwise blocks of `blockSize` values with one scale each. */
  readonly quantization: {
    readonly bits: 4 | 8
    readonly blockSize: number
    /** Whether rows of wqkv in blocks are stored as the fused attention reads them (packedRowOrder), to be used where they lie. */
    readonly packedRows: boolean
  } | null
}

const size = z.number().int().min(1).max(1_000_000)
const visionSchema = z.object({
  hidden_size: size.default(1024),
  intermediate_size: size.default(4096),
  num_hidden_layers: z.number().int().min(1).max(200).default(24),
  num_attention_heads: size.default(16),
  image_size: size.optional(),
  patch_size: size.default(14),
  layer_norm_eps: z.number().positive().default(1e-5),
  hidden_act: z.literal('quick_gelu').default('quick_gelu'),
  stem: z.array(z.object({ channels: size, stride: z.union([z.literal(1), z.literal(2)]) })).nullish(),
})
/** What "adapter" and "projector" have in common before their type says the rest. */
export const adapterField = z.looseObject({ type: z.enum(adapterTypes) })
export const projectorField = z.looseObject({ type: z.enum(projectorTypes) })

const schema = z.object({
  vocab_size: size.default(92544),
  hidden_size: size.default(4096),
  intermediate_size: size.default(14336),
  num_hidden_layers: z.number().int().min(1).max(1000).default(32),
  num_attention_heads: size.default(32),
  num_key_value_heads: size.optional(),
  hidden_act: z.literal('silu').default('silu'),
  rms_norm_eps: z.number().positive().default(1e-5),
  rope_theta: z.number().positive().default(1_000_000),
  rope_scaling: z.strictObject({ type: z.enum(['linear', 'dynamic']), factor: z.number().min(1) }).nullish(),
  max_position_embeddings: size.default(32768),
  bias: z.boolean().default(false),
  tie_word_embeddings: z.literal(false).default(false),
  pad_token_id: z.number().int().min(0).default(2),
  max_length: size.default(4096),
  prompt_bos: z.enum(['reference', 'first']).default('reference'),
  img_size: size.optional(),
  vision_config: visionSchema.nullish(),
  hd: z.boolean().default(false),
  ...releasedPloraFields,
  adapter: adapterField.optional(),
  projector: projectorField.default({ type: 'mlp' }),
  quantization_config: z
    .object({
      method: z.literal('blocks'),
      bits: z.union([z.literal(4), z.literal(8)]),
      block_size: z.literal([16, 32, 64, 128, 256]),
      wqkv_rows: z.enum(['grouped', 'packed']).default('grouped'),
    })
    .nullish(),
})

/** What a checkpoint's tensors say, for configurations that leave it out as the releases do. */
export interface CheckpointShapes {
  readonly ploraRanks?: PloraRanks
  /** The vision tower's sizes, under config.json's names; used where it has no vision_config. */
  readonly vision?: z.input<typeof visionSchema>
  /** Whether the marks of tiled images are there. */
  readonly tiled?: boolean
}

/**
 * Reads a parsed config.json.
 * @param file named in errors
 * @param shapes what the checkpoint's tensors say, used where the configuration is silent (ranks of PLoRA: unless "adapter" gives them)
 * @throws InputError naming file and field
 */
export function parseModelConfig(json: unknown, file: string, shapes: CheckpointShapes = {}): ModelConfig {
  const c = checked(schema, json, `${file}: field`)
  const fail = (text: string) => new InputError(`${file}: ${text}`)
  // Unknown keys are those of other tools; one that is a slip of the pen from a known one would silently give way to its default.
  const misspelt = misspeltKey(Object.keys(json as object), Object.keys(schema.shape))
  if (misspelt) throw fail(`field "${misspelt.key}": unknown; did you mean "${misspelt.meant}"?`)
  if (c.hidden_size % c.num_attention_heads) {
    throw fail(`hidden_size ${c.hidden_size} is not divisible by num_attention_heads ${c.num_attention_heads}`)
  }
  const kvHeads = c.num_key_value_heads ?? c.num_attention_heads
  if (c.num_attention_heads % kvHeads) {
    throw fail(`num_attention_heads ${c.num_attention_heads} is not divisible by num_key_value_heads ${kvHeads}`)
  }
  if ((c.hidden_size / c.num_attention_heads) % 2) throw fail('the head dimension is odd: rotary positions need an even one')
  const tiled = c.hd || (shapes.tiled ?? false)
  const config: ModelConfig = {
    decoder: {
      vocabularySize: c.vocab_size,
      hiddenSize: c.hidden_size,
      intermediateSize: c.intermediate_size,
      layers: c.num_hidden_layers,
      heads: c.num_attention_heads,
      kvHeads,
      headDim: c.hidden_size / c.num_attention_heads,
      normEpsilon: c.rms_norm_eps,
      ropeTheta: c.rope_theta,
      ropeScaling: c.rope_scaling ?? null,
      maxPositions: c.max_position_embeddings,
      bias: c.bias,
      padId: c.pad_token_id,
      adapter: c.adapter ? readAdapter(c.adapter, file) : releasedPlora(c, shapes.ploraRanks ?? {}),
    },
    vision: c.vision_config
      ? visionConfig(c.vision_config, c.img_size, tiled, fail)
      : shapes.vision
        ? visionConfig(
            checked(visionSchema, shapes.vision, `${file}: has no vision_config; read from the tensors`),
            undefined,
            tiled,
            fail,
          )
        : null,
    projector: { type: 'mlp' },
    maxLength: c.max_length,
    promptBos: c.prompt_bos,
    quantization: c.quantization_config
      ? {
          bits: c.quantization_config.bits,
          blockSize: c.quantization_config.block_size,
          packedRows: c.quantization_config.wqkv_rows === 'packed',
        }
      : null,
  }
  return { ...config, projector: readProjector(c.projector, config, file) }
}

/** "adapter" of a configuration. @param where named in errors @throws InputError naming the field */
export function readAdapter(json: unknown, where: string): AdapterConfig {
  const { adapter } = checked(z.object({ adapter: adapterField }), { adapter: json }, `${where}: field`)
  return checked(z.object({ adapter: adapters[adapter.type].schema }), { adapter }, `${where}: field`).adapter
}

/** "projector" of a configuration. @throws InputError naming the field, or what does not fit the model */
export function readProjector(json: unknown, config: Pick<ModelConfig, 'decoder' | 'vision'>, where: string): ProjectorConfig {
  const found = checked(z.object({ projector: projectorField }), { projector: json }, `${where}: field`).projector
  const form = z.object({ projector: projectors[found.type].schema })
  const { projector } = checked(form, { projector: found }, `${where}: field`)
  const { vision } = config
  const fail = (text: string) => new InputError(`${where}: projector ${projector.type}: ${text}`)
  if (vision?.tiled && projector.type !== 'mlp')
    throw fail('images of this model are tiled (hd), whose merged patches only mlp projects')
  const problem = vision ? modelProjector({ ...config, projector }, vision).problem : undefined
  if (problem) throw fail(problem)
  return projector
}

function checked<T>(form: z.ZodType<T>, json: unknown, where: string): T {
  const parsed = form.safeParse(json)
  if (parsed.success) return parsed.data
  const { field, message } = firstIssue(parsed.error, json)
  throw new InputError(`${where} "${field || '(whole file)'}": ${message}`)
}

function visionConfig(
  v: z.infer<typeof visionSchema>,
  imgSize: number | undefined,
  tiled: boolean,
  fail: (text: string) => InputError,
): VisionConfig {
  const imageSize = imgSize ?? v.image_size ?? 490
  if (imageSize % v.patch_size) throw fail(`vision: image size ${imageSize} is not a multiple of patch_size ${v.patch_size}`)
  if (v.hidden_size % v.num_attention_heads) {
    throw fail(`vision_config: hidden_size ${v.hidden_size} is not divisible by num_attention_heads ${v.num_attention_heads}`)
  }
  const stem = v.stem ?? null
  if (stem) {
    const stride = stem.reduce((n, layer) => n * layer.stride, 1)
    if (stride !== v.patch_size)
      throw fail(`vision_config: the stem's strides multiply to ${stride}, not patch_size ${v.patch_size}`)
    if (stem.at(-1)?.channels !== v.hidden_size)
      throw fail(`vision_config: the stem must end with hidden_size ${v.hidden_size} channels`)
  }
  if (tiled && (imageSize / v.patch_size) % 2)
    throw fail(`vision: ${imageSize / v.patch_size} patches a side, expected an even number to merge in squares`)
  return {
    hiddenSize: v.hidden_size,
    intermediateSize: v.intermediate_size,
    layers: v.num_hidden_layers,
    heads: v.num_attention_heads,
    imageSize,
    patchSize: v.patch_size,
    normEpsilon: v.layer_norm_eps,
    stem,
    patches: (imageSize / v.patch_size) ** 2,
    tiled,
  }
}
