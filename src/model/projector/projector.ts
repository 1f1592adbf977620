/**
 * What a projector is: features of the vision tower in, rows for the decoder out; how many rows is its own choice. Each projector is one
 * file and one line in table.ts; config.json chooses it. This file knows none of them.
 */
import type { z } from 'zod'
import type { Graph, Tensor } from '../../engine/index.js'
import type { ParameterSpec } from '../parameter-spec.js'
import type { Attention } from '../vision/attention.js'
import type { Weights } from '../weights.js'

/** Sizes of what a projector reads and writes. */
export interface ProjectorSizes {
  /** Patches on a side of an image. */
  readonly grid: number
  /** Width of a feature: the tower's, or of four merged patches where images are tiled. */
  readonly features: number
  /** Width of a row for the decoder. */
  readonly hidden: number
}

/** Prefix of every projector's tensors. */
export const projectorPrefix = 'vision_proj'

/** A projector with settings `C`, as config.json's "projector" gives them. */
export interface Projector<C extends { readonly type: string }> {
  /** Reads "projector" of config.json. */
  readonly schema: z.ZodType<C>
  /** What does not fit between settings and sizes, in words; undefined where all does. */
  problem?(c: C, sizes: ProjectorSizes): string | undefined
  /** Name of its last linear layer. */
  readonly output: string
  /** Rows that it makes of an image. */
  imageTokens(c: C, sizes: ProjectorSizes): number
  parameters(c: C, sizes: ProjectorSizes): ParameterSpec[]
  /** features [images, grid^2, features], row major -> [images, imageTokens, hidden]. */
  build(g: Graph, w: Weights, features: Tensor, c: C, sizes: ProjectorSizes, attend: Attention): Tensor
  /** Multiply-adds for one image. */
  multiplications(c: C, sizes: ProjectorSizes): number
}
