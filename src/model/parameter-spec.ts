/**
 * What a tensor of a model is: its shape, its part, its role, its place. Loading, training, quantising and `inspect` go by these; nothing
 * reads a tensor's nature from its name.
 */

/** The parts of a model that training stages freeze or train, and that `inspect` lists. */
export const modelParts = ['vision', 'projector', 'adapter', 'decoder'] as const
export type ModelPart = (typeof modelParts)[number]

/**
 * What a tensor does: weight of a linear layer; the two factors of a low-rank path; kernel of the patch embedding; norm weight; bias
 * (of a linear layer or a norm); token embedding table; position table; a learned row that stands among others (class token, query);
 * the rows between tiles; classifier that only training uses.
 */
export type ParameterRole =
  | 'linear'
  | 'low-rank-a'
  | 'low-rank-b'
  | 'convolution'
  | 'norm'
  | 'bias'
  | 'embedding'
  | 'position'
  | 'token'
  | 'tile-mark'
  | 'classifier'

/** One tensor of a model. */
export interface ParameterSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly part: ModelPart
  readonly role: ParameterRole
  /** Block of its part (vision tower, decoder with adapter) that it belongs to; absent before and behind the blocks. */
  readonly layer?: number
  /** Rows are those of queries, keys and values in one: grouped by KV head (SPEC 4), which the fused attention reads in another order. */
  readonly packed?: true
  /** Tensor of the same shape whose values it starts with. */
  readonly startsAs?: string
  /** Standard deviation of its fresh values, where it is not that of its role. */
  readonly deviation?: number
}

/** Prefix of the vision tower's tensors. */
export const visionPrefix = 'vit.vision_tower.vision_model'

/** The embedding table, [vocabulary, hidden]: looked up, not multiplied. */
export const embeddingTable = 'model.tok_embeddings.weight'

/** The rows that the 4KHD variant puts between tiles: behind a line, and between the whole image and its tiles. */
export const tileMarks = { separator: 'plora_glb_GN', newline: 'plora_sub_GN' } as const

/** A norm with weight and bias. */
export function normParameters(name: string, width: number, at: { part: ModelPart; layer?: number }): ParameterSpec[] {
  return [
    { ...at, name: `${name}.weight`, shape: [width], role: 'norm' },
    { ...at, name: `${name}.bias`, shape: [width], role: 'bias' },
  ]
}

/** A linear layer with weight and bias. */
export function denseParameters(
  name: string,
  outputs: number,
  inputs: number,
  { deviation, ...at }: { part: ModelPart; layer?: number; deviation?: number },
): ParameterSpec[] {
  return [
    { ...at, name: `${name}.weight`, shape: [outputs, inputs], role: 'linear', ...(deviation ? { deviation } : {}) },
    { ...at, name: `${name}.bias`, shape: [outputs], role: 'bias' },
  ]
}

/** Number of a tensor's values. */
export function parameterCount({ shape }: Pick<ParameterSpec, 'shape'>): number {
  return shape.reduce((a, b) => a * b, 1)
}
