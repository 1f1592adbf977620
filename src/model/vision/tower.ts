/**
 * CLIP's vision tower (SPEC 5): patch embedding (or a convolutional stem), class token, positions, pre-norm transformer
 * blocks. Features are the last block's output without post-layernorm and without the class token.
 */
import {
  add,
  concat,
  convolution,
  convolutionIndex,
  type Dim,
  type Graph,
  gatherPixels,
  hasBlocks,
  layerNorm,
  linear,
  padFront,
  quickGelu,
  reshape,
  split,
  type Tensor,
  transpose,
} from '../../engine/index.js'
import type { VisionConfig } from '../config.js'
import { visionPrefix } from '../parameter-spec.js'
import { dense, type Weights } from '../weights.js'
import { type Attention, plainAttention } from './attention.js'

function norm(g: Graph, w: Weights, x: Tensor, name: string, epsilon: number): Tensor {
  return layerNorm(g, x, w.tensor(g, `${name}.weight`), w.tensor(g, `${name}.bias`), epsilon)
}

/** Patches as rows: pixels [images, 3, S, S] -> [images, (S/p)^2, hidden], row major; a p x p convolution of stride p. */
function patchEmbedding(g: Graph, w: Weights, c: VisionConfig, pixels: Tensor): Tensor {
  const images = pixels.shape[0] as Dim
  const [p, side] = [c.patchSize, c.imageSize / c.patchSize]
  const cut = transpose(g, reshape(g, pixels, [images, 3, side, p, side, p]), [0, 2, 4, 1, 3, 5])
  const weight = reshape(g, w.tensor(g, `${visionPrefix}.embeddings.patch_embedding.weight`), [c.hiddenSize, 3 * p * p])
  return linear(g, reshape(g, cut, [images, side * side, 3 * p * p]), weight)
}

/** A 3 x 3 convolution with bias: x [images, side^2, channels] -> [images, (side / stride)^2, out]. */
export type Convolve = (g: Graph, w: Weights, x: Tensor, name: string, side: number, stride: number) => Tensor

/** The form for any weights: a linear layer over gathered pixels. */
export const gatheredConvolution: Convolve = (g, w, x, name, side, stride) =>
  dense(g, w, gatherPixels(g, x, convolutionIndex(side, 3, stride)), name)

const blockConvolution: Convolve = (g, w, x, name, side, stride) => {
  if (stride !== 1 || !hasBlocks(side)) return gatheredConvolution(g, w, x, name, side, stride)
  return add(g, convolution(g, x, w.tensor(g, `${name}.weight`)), w.tensor(g, `${name}.bias`))
}

/**
 * 3 x 3 convolutions down to the patch grid, each behind LayerNorm over channels and quick_gelu, residual where the
 * shape stays. No batch statistics: training and inference compute the same.
 */
function convolutionalStem(g: Graph, w: Weights, c: VisionConfig, pixels: Tensor, convolve: Convolve): Tensor {
  const images = pixels.shape[0] as Dim
  let side = c.imageSize
  let channels = 3
  let x = transpose(g, reshape(g, pixels, [images, 3, side * side]), [0, 2, 1])
  c.stem?.forEach((layer, i) => {
    const name = `${visionPrefix}.embeddings.stem.${i}`
    const active = i === 0 ? x : quickGelu(g, norm(g, w, x, `${name}.norm`, c.normEpsilon))
    const y = convolve(g, w, active, `${name}.conv`, side, layer.stride)
    x = layer.stride === 1 && layer.channels === channels ? add(g, x, y) : y
    side /= layer.stride
    channels = layer.channels
  })
  return x
}

/** What varies between uses of the tower. */
export interface TowerOptions {
  /** Default: the differentiable form. */
  readonly attend?: Attention
  /** Default: the form with the fewest multiplications, for weights in float. */
  readonly convolve?: Convolve
  /** Sees the state after pre_layrnorm (0) and after each block, class token included. */
  readonly onHidden?: (index: number, hidden: Tensor) => void
}

/** pixels [images, 3, S, S] normalised -> features [images, patches, hidden]. */
export function visionTower(
  g: Graph,
  w: Weights,
  c: VisionConfig,
  pixels: Tensor,
  { attend = plainAttention, convolve = blockConvolution, onHidden = () => {} }: TowerOptions = {},
): Tensor {
  const p = visionPrefix
  const patches = c.stem ? convolutionalStem(g, w, c, pixels, convolve) : patchEmbedding(g, w, c, pixels)
  // The class token is row 0 of what is added to the zero-padded patches, next to its position.
  const table = w.tensor(g, `${p}.embeddings.position_embedding.weight`)
  const [first, rest] = split(g, table, 0, [1, c.patches]) as [Tensor, Tensor]
  const classRow = add(g, first, w.tensor(g, `${p}.embeddings.class_embedding`))
  let x = add(g, padFront(g, patches), concat(g, [classRow, rest], 0))
  x = norm(g, w, x, `${p}.pre_layrnorm`, c.normEpsilon)
  onHidden(0, x)
  for (let i = 0; i < c.layers; i++) {
    const at = `${p}.encoder.layers.${i}`
    const rows = norm(g, w, x, `${at}.layer_norm1`, c.normEpsilon)
    const part = (name: string) => dense(g, w, rows, `${at}.self_attn.${name}`)
    const mixed = attend(g, part('q_proj'), part('k_proj'), part('v_proj'), c.heads)
    x = add(g, x, dense(g, w, mixed, `${at}.self_attn.out_proj`))
    const wide = quickGelu(g, dense(g, w, norm(g, w, x, `${at}.layer_norm2`, c.normEpsilon), `${at}.mlp.fc1`))
    x = add(g, x, dense(g, w, wide, `${at}.mlp.fc2`))
    onHidden(i + 1, x)
  }
  return split(g, x, 1, [1, c.patches])[1] as Tensor
}
